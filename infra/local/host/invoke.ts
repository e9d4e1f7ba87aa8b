import { randomUUID } from 'node:crypto'
import type { App } from './app.ts'
import type { RegisteredFunction } from './core-module.ts'
import type { PostInvocationContext, PreInvocationContext } from './hooks.ts'
import type { CoreInvocation, TraceContext, TypedData } from './programming-model.ts'

/** One call of a function. */
export interface Invocation {
  readonly called: RegisteredFunction
  /** The name of its trigger binding. */
  readonly trigger: string
  readonly data: TypedData
  readonly traceContext: TraceContext
}

/**
 * Runs a function with its hooks through the programming model, as the worker's InvocationHandler does, and returns its
 * converted result. Throws what the function (or a hook) throws.
 */
export async function invoke(app: App, invocation: Invocation): Promise<TypedData | null | undefined> {
  const shared = { hookData: {}, appHookData: app.hooks.appHookData, invocationContext: undefined as unknown }
  const core = createCore(app, invocation, shared)
  const model = app.programmingModel.getInvocationModel(core)
  const { context, inputs } = await model.getArguments()
  shared.invocationContext = context

  const before: PreInvocationContext = { ...shared, inputs, functionCallback: invocation.called.callback }
  core.state = 'preInvocationHooks'
  await app.hooks.run('preInvocation', before)

  const after: PostInvocationContext = { ...shared, inputs: before.inputs, result: null, error: null }
  core.state = 'invocation'
  try {
    after.result = await model.invokeFunction(context, before.inputs, before.functionCallback)
  } catch (error) {
    after.error = error ?? new Error('the function threw no value')
  }
  core.state = 'postInvocationHooks'
  await app.hooks.run('postInvocation', after)
  core.state = undefined

  // A hook may have taken the error away.
  if (after.error !== null && after.error !== undefined) throw after.error
  return (await model.getResponse(context, after.result)).returnValue
}

function createCore(
  app: App,
  { called, trigger, data, traceContext }: Invocation,
  shared: Omit<PreInvocationContext, 'inputs' | 'functionCallback'>,
): CoreInvocation {
  const invocationId = randomUUID()
  return {
    invocationId,
    request: { invocationId, inputData: [{ name: trigger, data }], traceContext },
    metadata: called.metadata,
    log: (level, category, message) => app.log({ ...shared, level, category, message }),
  }
}
