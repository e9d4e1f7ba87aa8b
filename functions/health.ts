import type { HttpResponseInit } from '@azure/functions'
import type { ExchangeGateway } from '../shared/gateway.ts'
import { jsonAnswer } from './answer.ts'
import { registerReadOnly } from './read-only.ts'

/** `GET /health/live`: the process answers. `GET /health/ready`: it could decide a request now. Neither says more. */
export function registerHealth(exchange: ExchangeGateway | undefined): void {
  registerReadOnly('live', 'health/live', async () => jsonAnswer(200, { status: 'live' }))
  registerReadOnly('ready', 'health/ready', () => readiness(exchange))
}

async function readiness(exchange: ExchangeGateway | undefined): Promise<HttpResponseInit> {
  try {
    await exchange?.ready()
    return jsonAnswer(200, { status: 'ready' })
  } catch {
    return jsonAnswer(503, { status: 'not ready' }, { 'retry-after': '2' })
  }
}
