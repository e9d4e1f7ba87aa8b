import { ExchangeError } from '../errors.ts'
import { readCompactToken } from './compact-token.ts'
import { type Callers, identifier } from './identify.ts'
import { tokenVerifier, type VerifierOptions } from './verify-token.ts'

/** Whose tokens were pasted, and what of them was not verified. */
export type PastedCallers = Callers & { readonly notes: readonly string[] }

/**
 * Verifies tokens that an operator pasted, as an exchange would but for two things: one that has expired counts as it did
 * the moment before, and the cluster is not asked whether its pod is still there. Remembers no token. Throws as
 * an exchange does.
 */
export async function verifyPasted(
  tokens: { readonly token: string; readonly actorToken: string | undefined },
  { now, ...others }: Omit<VerifierOptions, 'review'>,
): Promise<PastedCallers> {
  const notes = ['the cluster was not asked whether pod and service account are still there']
  const verify = async (text: string) => {
    const verifyAt = (clock: () => number) => tokenVerifier({ ...others, review: async () => {}, now: clock })(text)
    try {
      return await verifyAt(now)
    } catch (error) {
      if (!(error instanceof ExchangeError) || error.reason !== 'token_expired') throw error
      const expired = readCompactToken(text).claims.exp * 1000
      const verified = await verifyAt(() => expired - 1)
      notes.unshift(`the token expired at ${new Date(expired).toISOString()}: an exchange would refuse it now`)
      return verified
    }
  }
  const callers = await identifier(verify)({ subjectToken: tokens.token, actorToken: tokens.actorToken })
  return { ...callers, notes }
}
