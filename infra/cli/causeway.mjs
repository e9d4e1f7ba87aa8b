#!/usr/bin/env node
// What package.json's "bin" points at: it is there before the bundle is built, and says so in place of a stack trace.
import { existsSync } from 'node:fs'

const bundle = new URL('../../dist/cli/causeway.js', import.meta.url)
if (existsSync(bundle)) await import(bundle.href)
else {
  console.error('causeway: it is not built yet: run "npm run build" (npm ci does, but for --ignore-scripts)')
  process.exitCode = 1
}
