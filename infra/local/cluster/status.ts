import type { JsonAnswer } from '../json-listener.ts'

/** An error as Kubernetes says it: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ */
export class KubernetesError extends Error {
  readonly code: number
  readonly reason: string
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(code: number, reason: string, message: string, details?: Readonly<Record<string, unknown>>) {
    super(message)
    this.code = code
    this.reason = reason
    this.details = details
  }
}

export function badRequest(message: string): KubernetesError {
  return new KubernetesError(400, 'BadRequest', message)
}

/** `kind` as in the path: `pods`. */
export function notFound(kind: string, name: string): KubernetesError {
  return new KubernetesError(404, 'NotFound', `${kind} "${name}" not found`, { name, kind })
}

export function conflict(kind: string, name: string, message: string): KubernetesError {
  const full = `Operation cannot be fulfilled on ${kind} "${name}": ${message}`
  return new KubernetesError(409, 'Conflict', full, { name, kind })
}

/** A field of a TokenRequest has a value that is not allowed. */
export function invalidField(field: string, value: unknown, message: string): KubernetesError {
  const group = 'authentication.k8s.io'
  const cause = `Invalid value: ${JSON.stringify(value)}: ${message}`
  const causes = [{ reason: 'FieldValueInvalid', message: cause, field }]
  const full = `TokenRequest.${group} "" is invalid: ${field}: ${cause}`
  return new KubernetesError(422, 'Invalid', full, { group, kind: 'TokenRequest', causes })
}

export function answerStatus({ code, reason, message, details }: KubernetesError): JsonAnswer {
  const body = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, details, code }
  return { status: code, body }
}
