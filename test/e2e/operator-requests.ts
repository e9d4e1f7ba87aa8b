import { randomUUID } from 'node:crypto'
import { audience } from '../../infra/local/world.ts'
import type { Answer, RunningStack } from '../running-stack.ts'

interface Asked {
  readonly method?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** The app roles of the application that asks: every role but that of approving, unless said. */
  readonly roles?: readonly string[]
}

/** Asks `/manage/<path>`, as an application with some roles. */
export type AskManage = (path: string, asked?: Asked) => Promise<Answer>

/** What operators' applications ask of a stack. */
export async function askingOf(stack: RunningStack): Promise<AskManage> {
  const operator = await stack.operatorToken()
  const tokenWith = (roles: readonly string[]) =>
    stack.tenant.sign({ aud: audience, azp: randomUUID(), oid: randomUUID(), roles, idtyp: 'app' })
  return async (path, { method = 'GET', body, headers, roles } = {}) => {
    const bearer = roles ? await tokenWith(roles) : operator
    stack.note(bearer)
    const response = await fetch(`${stack.gateway.url}/manage/${path}`, {
      method,
      headers: { ...headers, authorization: `Bearer ${bearer}` },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = /[/+]json$/.test(response.headers.get('content-type') ?? '')
    return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : {} }
  }
}
