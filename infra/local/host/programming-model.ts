// What the host and the `@azure/functions` package say to each other. The Azure worker ships these types inside itself
// (its types-core/index.d.ts), so no package has them; here stands the part that HTTP and timer functions use.

/** Severity, in the worker's words. */
export type LogLevel = 'trace' | 'debug' | 'information' | 'warning' | 'error' | 'critical' | 'none'

/** `user` is what a function logged, `system` what the programming model says about itself. */
export type LogCategory = 'user' | 'system' | 'customMetric'

/** One value on its way to a function or back. Exactly one member is set. */
export interface TypedData {
  readonly string?: string | null
  readonly json?: string | null
  readonly bytes?: Uint8Array | null
  readonly stream?: Uint8Array | null
  readonly http?: HttpData | null
}

/** An HTTP request (`method`, `url`, `params`, `query`) or response (`statusCode`, `cookies`). */
export interface HttpData {
  readonly method?: string
  readonly url?: string
  readonly params?: Record<string, string>
  readonly query?: Record<string, string>
  readonly headers?: Record<string, string>
  readonly body?: TypedData | null
  readonly statusCode?: string
  readonly cookies?: readonly Cookie[]
}

/** A cookie as the programming model hands it over: what may be absent is wrapped. */
export interface Cookie {
  readonly name: string
  readonly value: string
  readonly domain?: { readonly value: string }
  readonly path?: { readonly value: string }
  readonly expires?: { readonly value: { readonly seconds: number } }
  readonly maxAge?: { readonly value: number }
  readonly secure?: { readonly value: boolean }
  readonly httpOnly?: { readonly value: boolean }
  readonly sameSite?: 'none' | 'lax' | 'strict' | 'explicitNone'
}

/** A binding of a function; what else it has depends on its type (`route`, `methods`, `schedule`). */
export interface Binding {
  readonly type?: string
  readonly direction?: 'in' | 'out' | 'inout'
  readonly [setting: string]: unknown
}

/** What `app.http()` and `app.timer()` register. */
export interface FunctionMetadata {
  readonly name: string
  readonly bindings: Readonly<Record<string, Binding>>
}

export type FunctionCallback = (...args: unknown[]) => unknown

/** W3C trace context of an invocation. */
export interface TraceContext {
  readonly traceParent: string
  readonly traceState?: string
}

/** What one invocation is about, as the host sends it. */
export interface InvocationRequest {
  readonly invocationId: string
  readonly inputData: readonly { readonly name: string; readonly data: TypedData }[]
  readonly traceContext?: TraceContext
}

export interface InvocationResponse {
  readonly returnValue?: TypedData | null
}

/** What the programming model is told about one invocation. */
export interface CoreInvocation {
  readonly invocationId: string
  readonly request: InvocationRequest
  readonly metadata: FunctionMetadata
  state?: 'preInvocationHooks' | 'invocation' | 'postInvocationHooks' | undefined
  log(level: LogLevel, category: LogCategory, message: string): void
}

/** Serves exactly one invocation: it remembers whether its function has ended, so it cannot be used again. */
export interface InvocationModel {
  getArguments(): Promise<{ readonly context: unknown; readonly inputs: unknown[] }>
  invokeFunction(context: unknown, inputs: unknown[], callback: FunctionCallback): Promise<unknown>
  getResponse(context: unknown, result: unknown): Promise<InvocationResponse>
}

/** What `@azure/functions` sets when the first function is registered. */
export interface ProgrammingModel {
  readonly name: string
  readonly version: string
  getInvocationModel(core: CoreInvocation): InvocationModel
  getCapabilities?(capabilities: Record<string, string>): Promise<Record<string, string>>
}
