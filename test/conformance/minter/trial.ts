import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { inspect } from 'node:util'
import type { Credential } from '../../../shared/credentials/credential.ts'
import type {
  Account,
  Minter,
  MinterProvider,
  RevocationEvidence,
  SessionEnding,
} from '../../../shared/credentials/credential-provider.ts'
import { credentialProviders } from '../../../shared/credentials/registry.ts'
import { Secret } from '../../../shared/credentials/secret.ts'
import { ExchangeError } from '../../../shared/errors.ts'
import { permitted } from '../../credentials/permission.ts'
import type { Engine, Obstacle, Row, RunningEngine, Session } from './engine.ts'

const never = new AbortController().signal

/** A minter at work on a real server. It keeps in mind every secret that it has seen, and that none of them shows. */
export class Trial {
  readonly engine: Engine
  readonly #minters: Minter<unknown>[] = []
  readonly #secrets = new Set<string>()
  #server: RunningEngine | undefined
  #minter: Minter<unknown> | undefined

  constructor(engine: Engine) {
    this.engine = engine
  }

  get server(): RunningEngine {
    if (!this.#server) throw new Error('the server was not started')
    return this.#server
  }

  /** The one that most tests use, with the server's settings as they are. */
  get minter(): Minter<unknown> {
    this.#minter ??= this.open()
    return this.#minter
  }

  async start(): Promise<void> {
    this.#server = await this.engine.start()
  }

  async stop(): Promise<void> {
    await Promise.all(this.#minters.map(minter => minter.close()))
    await this.#server?.stop()
  }

  /** Opens a further minter, as another instance or another target would; `settings` replaces single settings. */
  open(settings: Readonly<Record<string, unknown>> = {}, now: () => number = Date.now): Minter<unknown> {
    const provider = providerOf(this.engine.kind, this.server.secrets, now)
    const minter = provider.open(provider.settings.parse({ ...this.server.settings, ...settings }))
    this.#minters.push(minter)
    return minter
  }

  account(overrides: Partial<Account<unknown>> = {}): Account<unknown> {
    return {
      name: `cw_test_${randomBytes(10).toString('hex')}`,
      scopes: [this.server.scopes.read],
      expiresAt: Date.now() + 900_000,
      mintUntil: Date.now() + 10_000,
      ...overrides,
    }
  }

  /** A new secret, which from now on must show nowhere. */
  secret(): Secret {
    const text = randomBytes(24).toString('base64url')
    this.#secrets.add(text)
    return new Secret(text)
  }

  mint(account: Account<unknown>, by = this.minter): Promise<Credential> {
    return by.mint(account, this.secret(), permitted())
  }

  revoke(account: Account<unknown>, ending: SessionEnding = 'now', by = this.minter): Promise<RevocationEvidence> {
    return by.revoke(account, ending, never)
  }

  /** Logs in with nothing but the credential's fields, asks, and logs out. */
  async ask(credential: Credential, sql: string): Promise<readonly Row[]> {
    const session = await this.server.login(credential)
    try {
      return await session.ask(sql)
    } finally {
      await session.end()
    }
  }

  /** What the server said to a login or a statement that it refused. */
  async refusalOf(work: Promise<unknown>): Promise<unknown> {
    return work.then(
      () => {
        throw new Error('expected the server to refuse it')
      },
      (error: unknown) => error,
    )
  }

  /** The failure of a minter. Anything but an {@link ExchangeError} is a bug, and so is one that shows a secret. */
  async failureOf(work: Promise<unknown>): Promise<ExchangeError> {
    const error = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    if (!(error instanceof ExchangeError)) throw new TypeError(`expected an ExchangeError, got ${inspect(error)}`)
    const shown = this.leaks(shownOf(error))
    if (shown.length > 0) throw new Error(`the error shows ${shown.length} secrets`)
    return error
  }

  /** Mints while something is in the way; does `then` once the minter waits, and clears the way when it has failed. */
  async mintObstructed(
    account: Account<unknown>,
    then: (obstacle: Obstacle) => unknown,
    { by = this.minter, signal = never } = {},
  ): Promise<ExchangeError> {
    const obstacle = await this.server.obstruct(account)
    try {
      const failed = this.failureOf(by.mint(account, this.secret(), permitted(signal)))
      await obstacle.reached()
      await then(obstacle)
      return await failed
    } finally {
      await obstacle.release()
    }
  }

  superuser<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return this.server.superuser(work)
  }

  /** The secrets seen so far, admins' passwords among them, that are in a text. */
  leaks(text: string): readonly string[] {
    const admins = [...this.server.secrets.values()].map(secret => secret.text)
    return [...this.#secrets, ...admins].filter(secret => text.includes(secret))
  }
}

/** The product's own provider of that kind, before a Key Vault that is a map. */
export function providerOf(
  kind: string,
  secrets: ReadonlyMap<string, { readonly text: string; readonly version: string }>,
  now: () => number,
): MinterProvider<unknown, unknown> {
  const readSecret = async ({ secret: name }: { readonly secret: string }) => {
    const { text = '', version = '1' } = secrets.get(name) ?? {}
    return { secret: new Secret(text), version }
  }
  const provider = credentialProviders({ readSecret, now })(kind)
  if (provider?.issues !== 'minted') throw new Error(`expected "${kind}" to be a minter`)
  return provider
}

/** All that anybody could print of an error. */
export function shownOf(error: unknown): string {
  return `${inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true })}${JSON.stringify(error)}${error}`
}

export function revealed(field: unknown): string {
  if (!(field instanceof Secret)) throw new TypeError('expected a secret')
  return field.reveal()
}

/** Asks again until it is so; the test's own time-out ends it otherwise. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await setTimeout(20)
}
