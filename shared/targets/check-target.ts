import type { CheckStep } from '../credentials/credential-provider.ts'
import { problemText } from '../document.ts'
import { type FindProvider, type OpenProvider, parseTarget } from './target.ts'

/** What opens a target that is to be checked. */
export interface TargetCheckOptions {
  readonly findProvider: FindProvider
  readonly open: OpenProvider
}

/** What one check may take, in milliseconds. */
const patience = 20_000

/** Looks at a target as far as its provider can, and tells step by step what is well. Throws nothing that a target could cause. */
export async function checkTarget(
  document: unknown,
  { findProvider, open }: TargetCheckOptions,
  signal: AbortSignal,
): Promise<readonly CheckStep[]> {
  if (document === undefined) return [documentStep('there is none')]
  const parsed = parseTarget(document, findProvider)
  if ('problems' in parsed) return [documentStep(parsed.problems.map(problemText).join('; '))]
  const { settings, scopes, enabled } = parsed.target
  const issuing = open(parsed.provider, settings)
  const checked = issuing.kind === 'minted' ? issuing.minter : issuing.source
  const limit = AbortSignal.any([signal, AbortSignal.timeout(patience)])
  const steps = await checked.check?.(scopes, limit)
  return [...(enabled ? [] : [disabled]), ...(steps ?? [notCheckable(parsed.provider.kind)])]
}

const disabled: CheckStep = { step: 'enabled', ok: false, expected: '"enabled": true', found: 'nobody is let in' }

function documentStep(found: string): CheckStep {
  const bounded = found.slice(0, 1_000)
  return { step: 'document', ok: false, expected: 'a target', found: bounded, reason: 'target_unreadable' }
}

function notCheckable(kind: string): CheckStep {
  return { step: 'provider', ok: null, expected: 'a provider that can check', found: `"${kind}" cannot` }
}
