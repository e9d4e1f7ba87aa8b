import { Duplex } from 'node:stream'
import type { Client as ClientOfDriver, Pool, PoolClient, PoolConfig } from 'pg'
import { unavailable } from '../errors.ts'
import { sqlStateOf } from './postgresql-failure.ts'
import type { PostgresqlLogin, PostgresqlSettings } from './postgresql-settings.ts'
import type { ReadSecret } from './secret-reference.ts'

/** Below the 10 s in which an account may be minted; the server's limits act before the driver's. Milliseconds. */
const limits = {
  connectionTimeoutMillis: 3_000,
  idleTimeoutMillis: 30_000,
  lock_timeout: 3_000,
  statement_timeout: 5_000,
  idle_in_transaction_session_timeout: 5_000,
  query_timeout: 7_000,
} satisfies PoolConfig

/** One login's bounded connections to one database. Throws the driver's errors as they are: callers translate them. */
export class PostgresqlPool {
  readonly #settings: PostgresqlSettings
  readonly #login: PostgresqlLogin
  readonly #readSecret: ReadSecret
  #open: { readonly pool: Pool; readonly secretVersion: string } | undefined

  constructor(settings: PostgresqlSettings, login: PostgresqlLogin, readSecret: ReadSecret) {
    this.#settings = settings
    this.#login = login
    this.#readSecret = readSecret
  }

  /**
   * Lends a connection to `work`. One that saw an error is closed, so no half transaction is ever passed on. `signal`
   * breaks a connection that is in use, after which nobody knows what the server did.
   */
  async use<T>(work: (client: PoolClient) => Promise<T>, signal: AbortSignal): Promise<T> {
    const client = await this.#connect(signal)
    const breakOff = () => void client.end()
    signal.addEventListener('abort', breakOff, { once: true })
    try {
      throwIfAborted(signal)
      const result = await work(client)
      client.release()
      return result
    } catch (error) {
      client.release(true)
      throw error
    } finally {
      signal.removeEventListener('abort', breakOff)
    }
  }

  async close(): Promise<void> {
    const open = this.#open
    this.#open = undefined
    await open?.pool.end()
  }

  async #connect(signal: AbortSignal): Promise<PoolClient> {
    throwIfAborted(signal)
    const pool = await this.#current()
    throwIfAborted(signal)
    try {
      return await pool.connect()
    } catch (error) {
      // Class 28, authentication: the password may have been rotated under its version, so the next try starts afresh.
      if (sqlStateOf(error)?.startsWith('28') && this.#open?.pool === pool) void this.close()
      throw error
    }
  }

  /** The secret is asked for each time, so one that was disabled, expired or rotated stops counting here as well. */
  async #current(): Promise<Pool> {
    // Loaded when first needed: the bundle keeps the driver in a file of its own.
    const [{ Pool, Client }, { secret, version }] = await Promise.all([
      import('pg'),
      this.#readSecret(this.#login.password),
    ])
    if (this.#open?.secretVersion === version) return this.#open.pool
    void this.close()
    const pool = new Pool({ ...this.#options(), password: secret.reveal(), Client: withoutCleartext(Client) })
    this.#open = { pool, secretVersion: version }
    // Without these a connection that dies ends the process. Whoever uses it learns by its own query's failure.
    pool.on('error', ignore)
    pool.on('connect', client => client.on('error', ignore))
    return pool
  }

  #options(): PoolConfig {
    const { host, port, database, tls, connections } = this.#settings
    const { user } = this.#login
    const ssl = { rejectUnauthorized: true, minVersion: 'TLSv1.2' as const, ...(tls.ca && { ca: tls.ca }) }
    return {
      host,
      port,
      database,
      user,
      ssl,
      max: connections,
      application_name: 'causeway',
      allowExitOnIdle: true,
      verify: narrowSearchPath,
      ...limits,
    }
  }
}

/**
 * Whoever may create in a schema of the search path could otherwise give us operators and functions of its own to run
 * (CVE-2018-1058). A statement, since poolers refuse `options` or drop them; it runs before the connection is lent.
 */
const narrowSearchPath: NonNullable<PoolConfig['verify']> = (client, done) =>
  void client.query('SET search_path = pg_catalog, pg_temp').then(() => done(), done)

/**
 * A server that asks for the password itself gets nothing: whoever writes a target's document could name a server of
 * their own. What is answered is a challenge (SCRAM, RFC 7677). By the driver's own method, which it calls by this name.
 */
function withoutCleartext(Client: typeof ClientOfDriver): typeof ClientOfDriver {
  return class extends Client {
    _handleAuthCleartextPassword(): void {
      const connection: unknown = Reflect.get(this, 'connection')
      const stream: unknown =
        typeof connection === 'object' && connection ? Reflect.get(connection, 'stream') : undefined
      if (stream instanceof Duplex) stream.destroy(new Error('the server asks for the password itself'))
    }
  }
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw unavailable('deadline')
}

function ignore(): void {}
