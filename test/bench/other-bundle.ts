import { registerHooks } from 'node:module'

// Loaded before the local host's own code, in a process of the benchmark's: what the host takes for the app's main
// file is another bundle. The host, and all that it is told, stay the same.
const bundle = process.env['BENCH_BUNDLE']

registerHooks({
  resolve(specifier, context, next) {
    const isMain = bundle !== undefined && specifier.endsWith('/dist/main.js')
    return next(isMain ? bundle : specifier, context)
  },
})
