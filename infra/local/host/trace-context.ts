import { randomUUID } from 'node:crypto'
import type { TraceContext } from './programming-model.ts'

const traceParentForm = /^00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})$/

/**
 * The trace context that a function sees: the host's own span within the caller's trace, or a new trace that is not
 * sampled.
 *
 * @see https://www.w3.org/TR/trace-context/
 */
export function createTraceContext(traceParent?: string, traceState?: string): TraceContext {
  const [, trace = hex(32), flags = '00'] = traceParentForm.exec(traceParent ?? '') ?? []
  const span = `00-${trace}-${hex(16)}-${flags}`
  return traceState === undefined ? { traceParent: span } : { traceParent: span, traceState }
}

function hex(digits: number): string {
  // Node draws the randomness of UUIDs in bulk: no system call for each request.
  return randomUUID().replaceAll('-', '').slice(-digits)
}
