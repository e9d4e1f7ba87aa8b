import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build, type Plugin } from 'esbuild'

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** The gateway's environment that makes a host run {@link makeSingleWritesApp}'s bundle instead of the gateway's own. */
export type OtherBundle = Readonly<{ NODE_OPTIONS: string; BENCH_BUNDLE: string }>

/**
 * Bundles the gateway with a decision log that writes every record by itself: the same source, built the same way, but
 * for the file of the log.
 */
export async function makeSingleWritesApp(folder: string): Promise<OtherBundle> {
  const outdir = join(folder, 'single-writes')
  await build({
    entryPoints: { main: here('../../functions/main.ts') },
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node22',
    minifySyntax: true,
    external: ['@azure/functions-core', 'pg-native'],
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'\nconst require = __createRequire(import.meta.url)",
    },
    plugins: [replacedLog],
  })
  return {
    NODE_OPTIONS: `--import=${new URL('other-bundle.ts', import.meta.url).href}`,
    BENCH_BUNDLE: pathToFileURL(join(outdir, 'main.mjs')).href,
  }
}

const replacedLog: Plugin = {
  name: 'a log of single writes',
  setup(bundling) {
    bundling.onResolve({ filter: /\/decisions\/cosmos-decision-log\.ts$/ }, () => ({
      path: here('single-writes-log.ts'),
    }))
  },
}
