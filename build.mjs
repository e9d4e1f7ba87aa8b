import { rmSync } from 'node:fs'
import { build } from 'esbuild'

// One file that package.json's "main" points at; dynamic imports (database drivers) become files of their own, read
// when a target first needs them. The Functions host supplies @azure/functions-core. CommonJS packages inside an ES
// module need a `require`, hence the banner.
rmSync('dist', { recursive: true, force: true })
await build({
  entryPoints: { main: 'functions/main.ts' },
  outdir: 'dist',
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
})
