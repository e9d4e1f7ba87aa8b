import { refusalCounts } from './decisions/refusal-counts.ts'
import type { ExchangeSteps } from './exchange.ts'
import { type Document, followed, openProviders, openRole, type Surroundings } from './gateway-role.ts'
import { targetBudgets } from './leases/budget.ts'
import { cosmosLeases } from './leases/cosmos-leases.ts'
import { cosmosPlaces } from './leases/cosmos-places.ts'
import { openLeases } from './leases/hold-lease.ts'
import { quotaPlaces } from './leases/quota.ts'
import { cosmosCalendars } from './rules/cosmos-calendars.ts'
import { cosmosPosture } from './rules/cosmos-posture.ts'
import { cosmosRules } from './rules/cosmos-rules.ts'
import { postureAskedFor } from './rules/ruleset.ts'
import { cosmosTargets } from './targets/cosmos-targets.ts'
import type { InSpan } from './telemetry-gateway.ts'
import { clientSeenBy } from './workload/client-address.ts'
import { openCountries } from './workload/client-country.ts'
import { cosmosIssuers } from './workload/cosmos-issuers.ts'
import { cosmosLockdowns } from './workload/cosmos-lockdowns.ts'
import { postJson } from './workload/https-json.ts'
import { identifier } from './workload/identify.ts'
import { rateLimit } from './workload/rate-limit.ts'
import { tokenReviewer } from './workload/token-review.ts'
import { tokenVerifier } from './workload/verify-token.ts'

/** What pods use. */
export interface ExchangeGateway {
  readonly steps: ExchangeSteps
  readonly inSpan: InSpan
  /** Throws 503 where nothing could be decided now. */
  ready(): Promise<void>
}

export function openExchange(surroundings: Surroundings): ExchangeGateway {
  const { settings, now, monotonic, keys, telemetry, onClose } = surroundings
  const countryOf = settings.geoipDatabase === undefined ? () => undefined : openCountries(settings.geoipDatabase)
  const role = openRole('exchange', surroundings)
  const follow = (id: string, from: 'beginning' | 'now') => (onChange: (document: Document) => void) =>
    followed({ container: role.container(id), from, onChange }, surroundings)
  const issuers = cosmosIssuers(role.container('issuers'), follow('issuers', 'beginning'))
  const { findProvider, open } = openProviders(role.readSecret, surroundings)
  const targets = cosmosTargets({
    container: role.container('targets'),
    follow: follow('targets', 'now'),
    findProvider,
    open,
  })
  const calendars = cosmosCalendars(follow('calendars', 'beginning'))
  const rules = cosmosRules({
    container: role.container('rules'),
    follow: follow('rules', 'now'),
    calendars: calendars.current,
  })
  const signals = cosmosPosture(role.container('posture'), follow('posture', 'now'))
  const store = cosmosLeases(role.container('leases'))
  const leases = openLeases({
    store,
    budgets: targetBudgets({ store, now }),
    places: quotaPlaces({ store: cosmosPlaces(role.container('leases')), now }),
    deployment: settings.deployment,
    derivationKey: role.readDerivationKey,
    now,
    onLookup: telemetry.lookup('live-leases'),
    onReserved: telemetry.reserved,
  })
  telemetry.rememberedLeases(leases.remembered)
  const review = tokenReviewer({ postJson, readSecret: role.readSecret, monotonic })
  const { count, flush } = refusalCounts(role.decisions, now)
  const counting = setInterval(() => void flush(), settings.countInterval).unref()
  onClose(async () => {
    clearInterval(counting)
    await flush()
  })
  const steps: ExchangeSteps = {
    identify: identifier(tokenVerifier({ issuers, keys, review, now, onLookup: telemetry.lookup('verified-tokens') })),
    takeRate: rateLimit(settings.rates, monotonic),
    clientOf: (seen, actor) => clientSeenBy(seen, actor, { forwarders: settings.forwarders, countryOf }),
    targets,
    rules,
    posture: (ruleset, callers) => signals.of(postureAskedFor(ruleset, callers), callers.workload),
    lockdowns: cosmosLockdowns(follow('lockdowns', 'beginning')),
    leases,
    decisions: role.decisions,
    count(decision, error) {
      telemetry.refused(error)
      count(decision, error)
    },
    watch: telemetry.watch,
    now,
  }
  return { steps, inSpan: telemetry.inSpan, ready: () => issuers.ready() }
}
