import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { onlyWord, readFlags } from './flags.ts'
import { bodyOf, send, urlOf } from './gateway.ts'
import { jsonText } from './json-text.ts'
import { keptAuthority } from './kept-authority.ts'
import { refusal } from './refusal.ts'
import { UsageError } from './usage-error.ts'

const projected = '/var/run/secrets/causeway/token'

export const exchangeUsage = `causeway exchange TARGET [--scope "S …"] [--env | --psql | --json]
  Exchanges this workload's token for a credential of the target and prints it, as JSON unless said otherwise.
  The token is in the file CAUSEWAY_TOKEN_FILE, or where a pod has it: ${projected}
  --scope S       the scopes, separated by spaces (default: the target's own)
  --env           as shell exports CAUSEWAY_USERNAME, CAUSEWAY_PASSWORD and so on:
                  login=$(causeway exchange … --env) && eval "$login" && …
                  (eval "$(…)" alone would go on without a login where there is none)
  --psql          as shell exports PGHOST, PGUSER, PGPASSWORD and so on, for psql and whatever else uses libpq. The
                  target's authority is kept in the user's cache: libpq takes it from a file alone
  --json          the whole answer of the gateway`

const options = {
  scope: { type: 'string' },
  env: { type: 'boolean', default: false },
  psql: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

const field = z.union([z.string(), z.number(), z.boolean()])
const issued = z.looseObject({ access_token: z.string(), credential: z.record(z.string(), field) })
type Issued = z.output<typeof issued>

/** `causeway exchange`: the one command that prints a secret, on standard output. */
export async function exchangeCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = readFlags(args, options)
  const { scope, env, psql, json } = values
  if ([env, psql, json].filter(Boolean).length > 1) throw new UsageError('expected one of --env, --psql, --json')
  const target = onlyWord(positionals, 'TARGET')
  const url = urlOf(values)
  const form = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    subject_token: readToken(),
    audience: target,
    ...(scope !== undefined && { scope }),
  }
  const answer = await send(`${url}/token`, { method: 'POST', body: new URLSearchParams(form) })
  if (answer.status !== 200) throw refusal(`no credential of ${target}`, answer)
  const found = bodyOf(answer, issued)
  if (env) console.log(exportLines(environmentOf(found)))
  else if (psql) console.log(exportLines(libpqEnvironment(found)))
  else console.log(jsonText(json ? found : found.credential))
  return 0
}

function readToken(): string {
  const path = process.env['CAUSEWAY_TOKEN_FILE'] ?? projected
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (cause) {
    throw new UsageError(`cannot read the token: ${path} (CAUSEWAY_TOKEN_FILE)`, { cause })
  }
}

type Environment = Readonly<Record<string, string>>

function environmentOf({ credential }: Issued): Environment {
  return Object.fromEntries(
    Object.entries(credential).map(([name, value]) => {
      const words = name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').replace(/[^A-Za-z0-9]+/g, '_')
      return [`CAUSEWAY_${words.toUpperCase()}`, String(value)]
    }),
  )
}

const login = z.object({
  username: z.string(),
  password: z.string(),
  host: z.string(),
  port: z.number(),
  database: z.string(),
  caCertificate: z.string().optional(),
})

/** libpq takes the authority from a file alone. */
function libpqEnvironment({ credential }: Issued): Environment {
  const parsed = login.safeParse(credential)
  if (!parsed.success) throw new UsageError('--psql: the credential is no login of a database')
  const { username, password, host, port, database, caCertificate } = parsed.data
  return {
    PGHOST: host,
    PGPORT: String(port),
    PGDATABASE: database,
    PGUSER: username,
    PGPASSWORD: password,
    PGSSLMODE: 'verify-full',
    PGSSLROOTCERT: caCertificate === undefined ? 'system' : keptAuthority(caCertificate),
  }
}

function exportLines(environment: Environment): string {
  return Object.entries(environment)
    .map(([name, value]) => `export ${name}=${quoted(value)}`)
    .join('\n')
}

/** Within single quotes a shell takes everything as it is, but for the single quote. */
function quoted(value: string): string {
  return `'${value.replaceAll("'", String.raw`'\''`)}'`
}
