import { z } from 'zod'
import { accountForm, roomForVariables } from '../account-form.ts'
import type { CredentialProvider, Minter, Source } from '../credentials/credential-provider.ts'
import { documentId, labels, type Problem, problemsIn, scopeName } from '../document.ts'
import { duration } from '../duration.ts'

const ttl = duration({ min: 'PT1M', max: 'PT24H' })

/** What every target document says, whatever its provider. Secrets never appear in it. */
export const targetDocument = z.strictObject({
  schema: z.literal(1),
  id: documentId,
  /** What a caller may name as `resource` (RFC 8707) in place of the id. */
  uri: z.url().max(512).optional(),
  labels: labels.default({}),
  provider: z.string().max(64),
  settings: z.record(z.string(), z.unknown()),
  scopes: z
    .record(scopeName, z.unknown())
    .refine(scopes => Object.keys(scopes).length >= 1 && Object.keys(scopes).length <= 32, 'expected 1 to 32 scopes'),
  defaultScopes: z.array(scopeName).default([]),
  defaultTtl: ttl.prefault('PT15M'),
  maxTtl: ttl.prefault('PT1H'),
  /** What becomes of live sessions when a lease ends because it expired. Whatever else ends it ends them at once. */
  onExpiry: z.enum(['end-sessions', 'finish-transactions']).default('end-sessions'),
  /** Of targets whose credentials are accounts. */
  account: accountForm.optional(),
  /** What one target may be asked to bear, by all instances together. Without one, it has no such limit. */
  budgets: z
    .strictObject({
      /** Accounts that may exist at once. */
      liveAccounts: z.int().min(1).max(100_000).optional(),
      /** Accounts that may be made within any minute. */
      mintsPerMinute: z.int().min(1).max(100_000).optional(),
    })
    .default({}),
  /** `Bearer` is for clients that cannot read `N_A`. */
  tokenType: z.enum(['N_A', 'Bearer']).default('N_A'),
  enabled: z.boolean().default(true),
  /** Changes of the target and of its rules take effect when a second person approves them. */
  requireApproval: z.boolean().default(false),
})

/** A target, checked by its provider too. Durations are milliseconds. */
export type Target = Omit<z.output<typeof targetDocument>, 'settings' | 'scopes' | 'account'> & {
  /** What each scope means to the provider. */
  readonly scopes: Readonly<Record<string, unknown>>
  readonly settings: unknown
  readonly account: z.output<typeof accountForm>
  readonly issuing: Issuing
  /** `issued_token_type` of its credentials. */
  readonly issuedTokenType: string
}

/** How credentials of a target come about: they exist already, or each is made and has a lease. */
export type Issuing =
  | { readonly kind: 'existing'; readonly source: Source<unknown> }
  | { readonly kind: 'minted'; readonly minter: Minter<unknown>; readonly longestName: number }

/** Finds the provider of that name, where there is one. */
export type FindProvider = (kind: string) => CredentialProvider<unknown, unknown> | undefined

/** Opens a provider on settings that it has checked; the same settings share one pool of connections. */
export type OpenProvider = (provider: CredentialProvider<unknown, unknown>, settings: unknown) => Issuing

/** A target, or what is wrong with its document, and where. */
export type ParsedTarget =
  | { readonly target: Omit<Target, 'issuing'>; readonly provider: CredentialProvider<unknown, unknown> }
  | { readonly problems: readonly Problem[] }

/** Checks a target document whole: used alike when one is saved and when one is read. */
export function parseTarget(document: unknown, findProvider: FindProvider): ParsedTarget {
  const parsed = targetDocument.safeParse(document)
  if (!parsed.success) return { problems: problemsIn(parsed.error) }
  const provider = findProvider(parsed.data.provider)
  if (!provider) {
    return { problems: [{ path: ['provider'], detail: `no provider is called "${parsed.data.provider}"` }] }
  }
  const checked = z
    .object({ settings: provider.settings, scopes: z.record(z.string(), provider.scope) })
    .safeParse(parsed.data)
  if (!checked.success) return { problems: problemsIn(checked.error) }
  const unknown = parsed.data.defaultScopes.filter(scope => !Object.hasOwn(parsed.data.scopes, scope))
  if (unknown.length > 0) {
    return { problems: [{ path: ['defaultScopes'], detail: `expected scopes of this target, found ${unknown}` }] }
  }
  const problem = accountProblem(parsed.data, provider)
  if (problem !== undefined) return { problems: [problem] }
  const { account = accountForm.parse({}) } = parsed.data
  return { target: { ...parsed.data, ...checked.data, account, issuedTokenType: provider.tokenType }, provider }
}

/** What a document says of accounts, where there are none or where they cannot be called so. */
function accountProblem(
  { account, budgets }: z.output<typeof targetDocument>,
  provider: CredentialProvider<unknown, unknown>,
): Problem | undefined {
  if (provider.issues === 'minted') {
    const fits = !account || roomForVariables(account.name, provider.longestName) >= 1
    const detail = `expected names of ${provider.longestName} characters at most`
    return fits ? undefined : { path: ['account', 'name'], detail }
  }
  const [path] = [...(account ? [['account']] : []), ...Object.keys(budgets).map(budget => ['budgets', budget])]
  return path && { path, detail: `the credentials of "${provider.kind}" are no accounts` }
}
