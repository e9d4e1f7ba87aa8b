import { Module } from 'node:module'
import type { Hooks } from './hooks.ts'
import type {
  FunctionCallback,
  FunctionMetadata,
  LogCategory,
  LogLevel,
  ProgrammingModel,
} from './programming-model.ts'

/** A function as the app registered it. */
export interface RegisteredFunction {
  readonly metadata: FunctionMetadata
  readonly callback: FunctionCallback
}

/** What an app has registered so far. */
export interface Registry {
  readonly functions: Map<string, RegisteredFunction>
  programmingModel: ProgrammingModel | undefined
  /** Set once the app has started: functions that come later would never be served. */
  locked: boolean
}

interface CoreModuleOptions {
  readonly registry: Registry
  readonly hooks: Hooks
  readonly log: (level: LogLevel, category: LogCategory, message: string) => void
}

/** Undoes a registration; `dispose` works once. */
export class Disposable {
  #undo: (() => void) | undefined

  constructor(undo: () => void) {
    this.#undo = undo
  }

  static from(...disposables: { dispose(): unknown }[]): Disposable {
    return new Disposable(() => {
      for (const disposable of disposables) disposable.dispose()
    })
  }

  dispose(): void {
    this.#undo?.()
    this.#undo = undefined
  }
}

/** The `@azure/functions-core` module, which exists only at run time: the Azure Node.js worker's public face. */
export function createCoreModule({ registry, hooks, log }: CoreModuleOptions): object {
  return {
    // Reported, never compared.
    version: '3.13.0',
    hostVersion: '4.1046.0',
    registerHook: (name: string, callback: (context: unknown) => unknown) =>
      new Disposable(hooks.register(name, callback)),
    registerFunction: (metadata: FunctionMetadata, callback: FunctionCallback) =>
      registerFunction(registry, metadata, callback),
    setProgrammingModel: (model: ProgrammingModel) => {
      registry.programmingModel = model
    },
    getProgrammingModel: () => registry.programmingModel,
    log,
    Disposable,
  }
}

function registerFunction(registry: Registry, metadata: FunctionMetadata, callback: FunctionCallback): Disposable {
  const { name } = metadata
  if (registry.locked) throw new Error('A function can only be registered during app startup.')
  if (registry.functions.has(name)) throw new Error(`A function named "${name}" has already been registered.`)
  registry.functions.set(name, { metadata, callback })
  return new Disposable(() => registry.functions.delete(name))
}

/** Answers `require('@azure/functions-core')` with `core`, the way the Azure worker does. */
export function supplyCoreModule(core: object): void {
  Module.prototype.require = new Proxy(Module.prototype.require, {
    apply: (target, self, args: [string]) =>
      args[0] === '@azure/functions-core' ? core : Reflect.apply(target, self, args),
  })
}
