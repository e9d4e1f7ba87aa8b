import type { EvaluatedTarget } from '../rules/evaluate.ts'
import { type FindProvider, parseTarget } from './target.ts'

/** A stored target as rules see it; undefined where there is none. */
export function evaluatedTarget(
  document: unknown,
  findProvider: FindProvider,
): EvaluatedTarget | { readonly problem: string } | undefined {
  if (document === undefined) return undefined
  const parsed = parseTarget(document, findProvider)
  if ('problems' in parsed) return { problem: 'it cannot be read' }
  const { id, labels, scopes, defaultScopes, defaultTtl, maxTtl, enabled } = parsed.target
  return { facts: { id, labels, scopes: Object.keys(scopes), defaultTtl, maxTtl }, defaultScopes, enabled }
}

/** The URI by which callers may name a stored target, where it has one. */
export function urisIn(document: unknown): readonly string[] {
  const uri = typeof document === 'object' && document !== null && 'uri' in document ? document.uri : undefined
  return typeof uri === 'string' ? [uri] : []
}
