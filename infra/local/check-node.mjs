// Plain JavaScript that any Node can read: one clear line instead of a syntax error from a Node that is too old.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  console.error(
    `Causeway needs Node 22.19 or newer, and this is ${process.versions.node}. "npm ci" installs Node 24 for the ` +
      'project; if it ran with --ignore-scripts, run "npm rebuild node", or put a newer Node on the PATH.',
  )
  process.exit(1)
}
