import type { z } from 'zod'
import type { OperatorRole } from '../manage/operator.ts'

export type Method = 'get' | 'post' | 'put' | 'delete'

/** One thing that a route does. */
export interface Operation {
  readonly summary: string
  /** Operators who may; absent where the route asks nobody for a role. */
  readonly roles?: readonly OperatorRole[]
  readonly query?: z.ZodObject
  /** What it demands as conditions: one of them. */
  readonly conditions?: readonly ('if-match' | 'if-none-match')[]
  /** JSON, unless its type is said. */
  readonly body?: { readonly type?: string; readonly schema: z.ZodType; readonly isOptional?: boolean }
  /** The answers where all is well, by status. */
  readonly answers: Readonly<Record<number, z.ZodType>>
  /** Answers where all is well that are no JSON, by status and media type. */
  readonly otherAnswers?: Readonly<Record<number, Readonly<Record<string, z.ZodType>>>>
  /** Headers that those answers may have, and what each says. */
  readonly headers?: Readonly<Record<string, string>>
  /** The statuses of its errors, beyond those that every route of its family has. */
  readonly errors?: readonly number[]
}

/** A registered HTTP function: its route as it was registered, and how it is reached where that says too little. */
export interface RouteRow {
  readonly route: string
  readonly paths?: readonly string[]
  readonly family: 'oauth' | 'manage' | 'open'
  readonly operations: Partial<Readonly<Record<Method, Operation>>>
}

/** A row below `/manage`. */
export function manageRow(route: string, operations: RouteRow['operations']): RouteRow {
  return { route: `manage/${route}`, family: 'manage', operations }
}

/** The schemas of the documents that operators write, by the name of one. */
export type DocumentSchemas = Readonly<Record<DocumentSchemaName, z.ZodType>>
export type DocumentSchemaName = 'rule' | 'guardrail' | 'target' | 'issuer' | 'calendar' | 'lockdown' | 'signal'
