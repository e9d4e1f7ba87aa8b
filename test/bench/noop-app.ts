import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** Makes a function app of the no-op in a folder: bundled and configured as the gateway is. */
export async function makeNoopApp(folder: string): Promise<void> {
  await build({
    entryPoints: { main: here('noop-function.ts') },
    outdir: join(folder, 'dist'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node22',
    minifySyntax: true,
    external: ['@azure/functions-core'],
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'\nconst require = __createRequire(import.meta.url)",
    },
  })
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module', main: 'dist/main.js' }))
  await copyFile(here('../../host.json'), join(folder, 'host.json'))
}
