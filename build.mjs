import { rmSync } from 'node:fs'
import { build } from 'esbuild'

// CommonJS packages inside an ES module need a `require`, hence the banner. Dynamic imports become files of their own, read
// when they are first needed: database drivers, Azure's clients.
const common = {
  bundle: true,
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  platform: 'node',
  format: 'esm',
  target: 'node22',
  minifySyntax: true,
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'none',
  logLevel: 'warning',
  external: ['@azure/functions-core', 'pg-native'],
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'\nconst require = __createRequire(import.meta.url)",
  },
}

rmSync('dist', { recursive: true, force: true })
// What package.json's "main" points at. The Functions host supplies @azure/functions-core.
await build({ ...common, entryPoints: { main: 'functions/main.ts' }, outdir: 'dist' })
// What its "bin" reads: Node strips no types below node_modules, where an installed package lies.
await build({ ...common, entryPoints: { causeway: 'infra/cli/main.ts' }, outdir: 'dist/cli' })
