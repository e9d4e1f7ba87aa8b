import { type ExchangeGateway, openExchange } from './gateway-exchange.ts'
import { type ManageGateway, openManage } from './gateway-manage.ts'
import type { Surroundings } from './gateway-role.ts'
import { openTimers, type TimersGateway } from './gateway-timers.ts'
import { printedLines } from './printed-lines.ts'
import { calendarDocument } from './rules/calendar.ts'
import { signalDocument } from './rules/posture-signal.ts'
import { guardrailDocument, ruleDocument } from './rules/rule.ts'
import type { Role, Settings } from './settings.ts'
import { targetDocument } from './targets/target.ts'
import { openTelemetry } from './telemetry.ts'
import { watchGateway } from './telemetry-gateway.ts'
import { fetchJson } from './workload/https-json.ts'
import { issuerDocument } from './workload/issuer.ts'
import { issuerKeys } from './workload/issuer-keys.ts'
import { lockdownDocument } from './workload/lockdown.ts'

export type { ExchangeGateway, ManageGateway, TimersGateway }

/** What operators write, by the name of one: for descriptions of the API. */
const schemas = {
  rule: ruleDocument,
  guardrail: guardrailDocument,
  target: targetDocument,
  issuer: issuerDocument,
  calendar: calendarDocument,
  lockdown: lockdownDocument,
  signal: signalDocument,
}

/** A wired gateway: the parts of the roles that this app has. */
export interface Gateway {
  readonly settings: Settings
  readonly schemas: typeof schemas
  readonly exchange?: ExchangeGateway
  readonly manage?: ManageGateway
  readonly timers?: TimersGateway
  /** Ends background work and connections. */
  close(): Promise<void>
}

/** Wires the gateway from its settings. Constructs clients, connects to nothing until it must. */
export function openGateway(settings: Settings): Gateway {
  const monotonic = () => performance.now()
  const ends: (() => void | Promise<void>)[] = []
  const keys = issuerKeys({ fetchJson, monotonic })
  const telemetry = watchGateway(openTelemetry(), monotonic)
  telemetry.keyAges(keys.ages)
  const surroundings: Surroundings = {
    settings,
    now: Date.now,
    monotonic,
    keys,
    telemetry,
    print: lines => console.log(printedLines(lines)),
    onClose: end => ends.push(end),
  }
  const has = (role: Role) => settings.roles.includes(role)
  return {
    settings,
    schemas,
    ...(has('exchange') && { exchange: openExchange(surroundings) }),
    ...(has('manage') && { manage: openManage(surroundings) }),
    ...(has('timers') && { timers: openTimers(surroundings) }),
    close: async () => {
      // The clients were made first, and go last.
      for (const end of ends.reverse()) await end()
    },
  }
}
