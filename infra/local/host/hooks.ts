import type { FunctionCallback, LogCategory, LogLevel } from './programming-model.ts'

/** Data that hooks share: with hooks of the same invocation, and with every hook of the app. */
export interface HookContext {
  readonly hookData: Record<string, unknown>
  readonly appHookData: Record<string, unknown>
}

export interface AppStartContext extends HookContext {
  readonly functionAppDirectory: string
}

/** What a hook changes in `inputs` or `functionCallback` changes the invocation. */
export interface PreInvocationContext extends HookContext {
  readonly invocationContext: unknown
  inputs: unknown[]
  functionCallback: FunctionCallback
}

/** What a hook changes in `result` or `error` changes the outcome. */
export interface PostInvocationContext extends HookContext {
  readonly invocationContext: unknown
  inputs: unknown[]
  result: unknown
  error: unknown
}

/** What a hook changes in `level` or `message` changes the line. */
export interface LogContext extends HookContext {
  readonly invocationContext: unknown
  readonly category: LogCategory
  level: LogLevel
  message: string
}

interface ContextOf {
  readonly appStart: AppStartContext
  readonly appTerminate: HookContext
  readonly preInvocation: PreInvocationContext
  readonly postInvocation: PostInvocationContext
  readonly log: LogContext
}

type Callback = (context: HookContext) => unknown

/** The hooks of one app, run in the order in which they were registered. */
export interface Hooks {
  readonly appHookData: Record<string, unknown>
  /** Returns how to remove it. Throws a RangeError for a hook that does not exist, as the worker does. */
  register(name: string, callback: Callback): () => void
  /** Awaits each hook; what one throws ends the rest. */
  run<Name extends keyof ContextOf>(name: Name, context: ContextOf[Name]): Promise<void>
  /** Log hooks are synchronous. */
  runLog(context: LogContext): void
}

export function createHooks(): Hooks {
  const callbacks = new Map<string, Callback[]>(
    ['appStart', 'appTerminate', 'preInvocation', 'postInvocation', 'log'].map(name => [name, []]),
  )
  const of = (name: string) => callbacks.get(name) ?? unrecognized(name)
  return {
    appHookData: {},
    register(name, callback) {
      of(name).push(callback)
      return () =>
        callbacks.set(
          name,
          of(name).filter(other => other !== callback),
        )
    },
    async run(name, context) {
      for (const callback of of(name)) await callback(context)
    },
    runLog(context) {
      for (const callback of of('log')) callback(context)
    },
  }
}

function unrecognized(name: string): never {
  // The package tells a worker that is too old for a hook by this mark.
  throw Object.assign(new RangeError(`Unrecognized hook "${name}"`), { isAzureFunctionsSystemError: true })
}
