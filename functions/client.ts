import { isIP } from 'node:net'
import type { HttpRequest } from '@azure/functions'
import type { Client } from '../shared/rules/facts.ts'

/**
 * Where a request came from: `client-ip`, which the App Service front end overwrites (App Service on Linux: headers).
 * `X-Forwarded-For` and its like are whatever the sender wrote, and are not read.
 */
export function clientOf(request: HttpRequest): Client {
  const given = request.headers.get('client-ip') ?? ''
  const address = /^\[(.+)\](:\d+)?$/.exec(given)?.[1] ?? /^([\d.]+)(:\d+)?$/.exec(given)?.[1] ?? given
  return isIP(address) === 0 ? { provenance: 'unknown' } : { address, provenance: 'direct' }
}
