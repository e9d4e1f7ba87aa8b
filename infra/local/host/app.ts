import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { createCoreModule, type RegisteredFunction, type Registry, supplyCoreModule } from './core-module.ts'
import { createHooks, type Hooks, type LogContext } from './hooks.ts'
import { type HostSettings, readHostSettings } from './host-settings.ts'
import { createPrint, type Print } from './log.ts'
import type { ProgrammingModel } from './programming-model.ts'

/** A function app that has started. */
export interface App {
  readonly settings: HostSettings
  readonly programmingModel: ProgrammingModel
  readonly functions: ReadonlyMap<string, RegisteredFunction>
  readonly hooks: Hooks
  /** Passes a message through the app's log hooks and prints it. */
  log(entry: LogContext): void
  /** A line of the host's own. */
  readonly print: Print
  /** Runs the `appTerminate` hooks. */
  terminate(): Promise<void>
}

/**
 * Loads the app in `directory`: supplies the core module, imports the `main` of its package.json and runs its
 * `appStart` hooks. Throws what the app throws. One process can hold one app.
 */
export async function startApp(directory: string): Promise<App> {
  const settings = await readHostSettings(directory)
  const registry: Registry = { functions: new Map(), programmingModel: undefined, locked: false }
  const hooks = createHooks()
  const appLevel = { hookData: {}, appHookData: hooks.appHookData }
  const print = createPrint(settings.logLevel)
  const log = createLog(hooks, print)
  supplyCoreModule(
    createCoreModule({
      registry,
      hooks,
      log: (level, category, message) =>
        log({ ...appLevel, hookData: {}, invocationContext: undefined, level, category, message }),
    }),
  )
  await import(pathToFileURL(join(directory, await readMain(directory))).href)
  await hooks.run('appStart', { ...appLevel, functionAppDirectory: directory })
  registry.locked = true
  const programmingModel = await checkModel(registry.programmingModel)
  const terminate = () => hooks.run('appTerminate', appLevel)
  return { settings, programmingModel, functions: registry.functions, hooks, log, print, terminate }
}

function createLog(hooks: Hooks, print: Print): App['log'] {
  return entry => {
    hooks.runLog(entry)
    print(entry.level, entry.message)
  }
}

/** The worker takes a glob here; one file is what a bundle has. */
async function readMain(directory: string): Promise<string> {
  const parsed = z
    .object({ main: z.string() })
    .safeParse(JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')))
  if (!parsed.success) throw new Error('package.json: "main" must name the file that registers the functions')
  return parsed.data.main
}

async function checkModel(model: ProgrammingModel | undefined): Promise<ProgrammingModel> {
  if (!model) throw new Error('the app registered no functions')
  // Asking for the capabilities also tells the package that start-up is over, which locks its set-up.
  const { HttpUri: streaming } = (await model.getCapabilities?.({})) ?? {}
  if (streaming) throw new Error('the local host does not serve HTTP streams (enableHttpStream)')
  return model
}
