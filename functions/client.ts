import type { HttpRequest } from '@azure/functions'
import type { SeenClient } from '../shared/workload/client-address.ts'

/**
 * What the request says of where it came from: `client-ip`, which the App Service front end overwrites (App Service on
 * Linux: headers), and what a proxy of ours may add. `X-Forwarded-For` and its like are not read: anybody writes them.
 */
export function seenClient(request: HttpRequest): SeenClient {
  return {
    peer: request.headers.get('client-ip') ?? undefined,
    forwarded: request.headers.get('x-causeway-client-ip') ?? undefined,
  }
}
