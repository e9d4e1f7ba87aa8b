import { CosmosClient } from '@azure/cosmos'
import type { Minter } from '../../../shared/credentials/credential-provider.ts'
import { Secret } from '../../../shared/credentials/secret.ts'
import { ExchangeError } from '../../../shared/errors.ts'
import { targetBudgets } from '../../../shared/leases/budget.ts'
import { cosmosLeases } from '../../../shared/leases/cosmos-leases.ts'
import { cosmosPlaces } from '../../../shared/leases/cosmos-places.ts'
import { type Leases, openLeases } from '../../../shared/leases/hold-lease.ts'
import { quotaPlaces } from '../../../shared/leases/quota.ts'
import { permitted } from '../../credentials/permission.ts'
import { requestOf } from '../../leases/lease-store.ts'
import type { Exchanged, Opening, Order, Outcome } from './other-process.ts'
import { providerOf, shownOf } from './trial.ts'

// An instance of the gateway that does what it is told, one order at a time.

interface Opened {
  readonly minter: Minter<unknown>
  readonly leases: Leases | undefined
}

const { signal } = new AbortController()
let opened: Opened | undefined

process.on('message', (order: Order) => {
  carryOut(order)
    .then((done): Outcome => ({ done }), failure)
    .then(outcome => process.send?.(outcome))
    .catch(() => process.exit(1))
})
process.on('disconnect', () => process.exit(0))

function failure(error: unknown): Outcome {
  const name = error instanceof ExchangeError ? 'ExchangeError' : 'bug'
  return { failed: { name, reason: error instanceof ExchangeError ? error.reason : '', shown: shownOf(error) } }
}

async function carryOut(order: Order): Promise<unknown> {
  if ('open' in order) {
    opened = open(order.open)
    return undefined
  }
  if (!opened) throw new Error('expected to be opened first')
  const { minter, leases } = opened
  if ('revoke' in order) return minter.revoke(order.revoke, 'now', signal)
  if ('mint' in order) return (await minter.mint(order.mint, new Secret(order.secret), permitted(signal))).reference
  if (!leases) throw new Error('expected to be opened with leases')
  return exchange(minter, leases, order)
}

/** What the route does between its decision and its answer. */
async function exchange(minter: Minter<unknown>, leases: Leases, order: Extract<Order, { exchange: string }>) {
  const request = requestOf({ target: order.exchange, meanings: order.meanings })
  const held = await leases.hold(request, `decision of ${process.pid}`)
  if (held.mustMint) {
    await minter.mint(held.account, held.secret, permitted(signal))
    await leases.activate(held)
  }
  const { secret, reference } = minter.describe(held.account, held.secret)
  const told: Exchanged = {
    account: reference['account'] ?? '',
    password: secret.reveal(),
    minted: held.mustMint,
  }
  return told
}

function open({ kind, settings, secrets, cosmos }: Opening): Opened {
  const provider = providerOf(kind, new Map(secrets), Date.now)
  return {
    minter: provider.open(provider.settings.parse(settings)),
    leases: cosmos === undefined ? undefined : leasesIn(cosmos),
  }
}

function leasesIn(endpoint: string): Leases {
  const token = { token: `token-of-${process.pid}`, expiresOnTimestamp: Date.now() + 3_600_000 }
  const client = new CosmosClient({
    endpoint,
    aadCredentials: { getToken: async () => token },
    connectionPolicy: { enableBackgroundEndpointRefreshing: false },
  })
  const container = client.database('causeway').container('leases')
  const store = cosmosLeases(container)
  return openLeases({
    store,
    places: quotaPlaces({ store: cosmosPlaces(container), now: Date.now }),
    budgets: targetBudgets({ store, now: Date.now }),
    deployment: 'test',
    derivationKey: async (version = '1') => ({ secret: new Secret(`derivation key ${version}`), version }),
    now: Date.now,
  })
}
