import { identities } from '../../infra/local/access.ts'
import { startIdentityEndpoint } from '../../infra/local/identity.ts'
import { startGateway } from '../../infra/local/stack.ts'
import type { Answer } from '../running-stack.ts'
import type { CrashStack, NewPod } from './crash-stack.ts'
import { createGate, type Gate } from './gate.ts'
import { startHttpsProxy } from './https-proxy.ts'
import { cosmosStep, type Point, timerStep, vaultStep } from './steps.ts'

/** A gateway process that has done nothing yet, all of whose messages are seen on their way. */
export interface ObservedGateway {
  /** Where its messages pass. */
  readonly gate: Gate
  /** The exit code; null where it was killed. */
  readonly exited: Promise<number | null>
  /** One exchange. Undefined where the process ended, or was ended, before it had answered. */
  ask(pod: NewPod): Promise<Answer | undefined>
  /** One run of a timer. Never settles where the process is ended meanwhile. */
  runTimer(name: string): Promise<void>
  /** Kills it at the first message that comes to the point; that message goes no further. Resolves when it is dead. */
  killAt(point: Point): Promise<void>
  /** Stops it there as it stands. What is on its way stays there. Resolves when that has happened. */
  freezeAt(point: Point): Promise<void>
  /** Lets it, and what was on its way, go on. */
  wake(): void
  /** Ends it, however it stands. */
  stop(): Promise<void>
}

export async function startObservedGateway(
  stack: CrashStack,
  role: 'exchange' | 'timers' = 'exchange',
): Promise<ObservedGateway> {
  const { cosmos, vault, certificate, tenant } = stack
  const gate = createGate()
  const stepOf = role === 'exchange' ? cosmosStep : timerStep
  const cosmosProxy = await startHttpsProxy({ to: cosmos.url, certificate, gate, stepOf })
  const vaultProxy = await startHttpsProxy({ to: vault.url, certificate, gate, stepOf: vaultStep })
  // Cosmos DB knows itself by its own URL alone: a token for the proxy's is one for it.
  const sign: typeof tenant.sign = claims =>
    tenant.sign({ ...claims, aud: claims['aud'] === cosmosProxy.url ? cosmos.url : claims['aud'] })
  const identity = await startIdentityEndpoint({ identities: Object.values(identities), tenant: { sign } })
  const settings = {
    CAUSEWAY_ROLE: role,
    CAUSEWAY_WORKLOAD_RATE: '100000',
    CAUSEWAY_COSMOS_ENDPOINT: cosmosProxy.url,
    CAUSEWAY_VAULTS: JSON.stringify({ corp: vaultProxy.url }),
    IDENTITY_ENDPOINT: identity.endpoint,
    IDENTITY_HEADER: identity.header,
    ...stack.proxy.attach(gate),
  }
  const host = await startGateway(stack, { settings })
  stack.observed.add(host)
  return {
    gate,
    exited: host.exited,
    async ask(pod) {
      const answer = await stack.ask(pod, host.url)
      if (answer?.status === 200) await gate.pass('token response', 'after')
      return answer
    },
    runTimer: name => host.runTimer(name),
    async killAt(point) {
      await gate.closeAt(point, () => host.kill('SIGKILL'))
      await host.exited
    },
    freezeAt: point => gate.closeAt(point, () => host.kill('SIGSTOP')),
    wake() {
      host.kill('SIGCONT')
      gate.open()
    },
    async stop() {
      host.kill('SIGKILL')
      await host.exited
      stack.observed.delete(host)
      await Promise.all([cosmosProxy.stop(), vaultProxy.stop(), identity.stop()])
    },
  }
}
