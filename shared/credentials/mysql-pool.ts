import type { PeerCertificate } from 'node:tls'
import type { Pool, PoolConnection, PoolOptions, RowDataPacket } from 'mysql2/promise'
import { unavailable } from '../errors.ts'
import { orAborted } from '../or-aborted.ts'
import { certificateOf } from './connection-check.ts'
import { failureOfLogin, refusesLogin } from './mysql-failure.ts'
import type { MysqlLogin, MysqlSettings } from './mysql-settings.ts'
import { type Quoting, sessionLimits } from './mysql-statements.ts'
import type { ReadSecret } from './secret-reference.ts'

/** What is lent: one connection's statements, and its quoting. */
export interface MysqlSession extends Quoting {
  /** Statements for their effect. `sql` may hold several: the server leaves off at the first that fails. */
  run(sql: string): Promise<void>
  /** The rows of one statement; the driver quotes `values` into its question marks. */
  rows<Row>(sql: string, values?: readonly string[]): Promise<readonly Row[]>
  /** What the server proved itself with. */
  certificate(): PeerCertificate | undefined
}

type Driver = typeof import('mysql2/promise')

interface Opened {
  readonly driver: Driver
  readonly pool: Pool
  readonly secretVersion: string
}

/** Beyond the server's own limit for a statement, in milliseconds. */
const grace = 1_500

/** One login's bounded connections to one server. Throws the driver's errors as they are: callers translate them. */
export class MysqlPool {
  readonly #settings: MysqlSettings
  readonly #login: MysqlLogin
  readonly #readSecret: ReadSecret
  #open: Opened | undefined

  constructor(settings: MysqlSettings, login: MysqlLogin, readSecret: ReadSecret) {
    this.#settings = settings
    this.#login = login
    this.#readSecret = readSecret
  }

  /**
   * Lends a session to `work`. One that saw an error is closed. `signal` breaks off one that is in use, after which
   * nobody knows what the server did.
   */
  async use<T>(work: (session: MysqlSession) => Promise<T>, signal: AbortSignal): Promise<T> {
    throwIfAborted(signal)
    const { driver, pool } = await this.#current()
    throwIfAborted(signal)
    const connection = await this.#connect(pool, signal)
    try {
      const session = this.#sessionOf(connection, driver)
      // The driver leaves a statement unsettled for ever whose connection is broken off.
      const working = session.run(sessionLimits(this.#settings.timeouts)).then(() => work(session))
      const result = await orAborted(working, signal)
      connection.release()
      return result
    } catch (error) {
      connection.destroy()
      throw error
    }
  }

  async close(): Promise<void> {
    const open = this.#open
    this.#open = undefined
    // Connections that were still being made fail now, and that is no matter.
    await open?.pool.end().catch(ignore)
  }

  /** The wait for a connection is bounded here, since the driver queues for ever. What comes too late goes back. */
  async #connect(pool: Pool, signal: AbortSignal): Promise<PoolConnection> {
    const { connect } = this.#settings.timeouts
    const connecting = pool.getConnection()
    const limit = AbortSignal.any([signal, AbortSignal.timeout(connect + grace)])
    try {
      return await orAborted(connecting, limit)
    } catch (error) {
      connecting.then(late => late.release()).catch(ignore)
      // The password may have been rotated under its version, so the next try starts afresh.
      if (refusesLogin(error) && this.#open?.pool === pool) void this.close()
      if (limit.aborted && !signal.aborted)
        throw unavailable('target_unavailable', { detail: { problem: 'pool_full' } })
      throw failureOfLogin(error)
    }
  }

  /** The secret is asked for each time, so one that was disabled, expired or rotated stops counting here as well. */
  async #current(): Promise<Opened> {
    // Loaded when first needed: the bundle keeps the driver in a file of its own, which has no other export.
    const [{ default: driver }, { secret, version }] = await Promise.all([
      import('mysql2/promise'),
      this.#readSecret(this.#login.password),
    ])
    if (this.#open?.secretVersion === version) return this.#open
    void this.close()
    const pool = driver.createPool({ ...this.#options(), password: secret.reveal() })
    const opened = { driver, pool, secretVersion: version }
    this.#open = opened
    // Without it a connection that dies ends the process. Whoever uses it learns by its own statement's failure.
    pool.pool.on('connection', connection => connection.on('error', ignore))
    return opened
  }

  #options(): PoolOptions {
    const { host, port, tls, connections, timeouts } = this.#settings
    return {
      host,
      port,
      user: this.#login.user,
      // `verifyIdentity`: without it the driver takes any server's certificate that the authority has signed.
      ssl: { rejectUnauthorized: true, verifyIdentity: true, minVersion: 'TLSv1.2', ...(tls.ca && { ca: tls.ca }) },
      connectionLimit: connections,
      connectTimeout: timeouts.connect,
      idleTimeout: 30_000,
      maxIdle: 0,
      charset: 'utf8mb4',
      multipleStatements: true,
      // A server may not ask this process for its files.
      flags: ['-LOCAL_FILES'],
    }
  }

  #sessionOf(connection: PoolConnection, driver: Driver): MysqlSession {
    const timeout = this.#settings.timeouts.statement + grace
    return {
      escape: text => driver.escape(text),
      // The connection's own takes a dot for the end of a name.
      escapeId: name => driver.escapeId(name, true),
      run: async sql => void (await connection.query({ sql, timeout })),
      rows: async <Row>(sql: string, values: readonly string[] = []) => {
        const [rows] = await connection.query<(Row & RowDataPacket)[]>({ sql, timeout, values: [...values] })
        return rows
      },
      // Not in the driver's types.
      certificate: () => certificateOf(Reflect.get(connection.connection, 'stream')),
    }
  }
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw unavailable('deadline')
}

function ignore(): void {}
