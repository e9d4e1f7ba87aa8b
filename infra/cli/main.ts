#!/usr/bin/env node
import { applyCommand, applyUsage } from './apply.ts'
import { doctorCommand, doctorUsage } from './doctor.ts'
import { exchangeCommand, exchangeUsage } from './exchange.ts'
import { commonUsage } from './flags.ts'
import { planCommand, planUsage } from './plan.ts'
import { printable } from './printable.ts'
import { UsageError } from './usage-error.ts'
import { verifyLogCommand, verifyLogUsage } from './verify-log.ts'

const usage = `causeway <command> [options]

${planUsage}

${applyUsage}

${exchangeUsage}

${doctorUsage}

${verifyLogUsage}

${commonUsage}

causeway --help shows this.`

/** What asks for help wherever it stands; the word "help" does where a command would. */
const helpFlags: readonly string[] = ['--help', '-h']

/** Each takes its arguments and resolves to the exit code. */
const commands = new Map([
  ['plan', planCommand],
  ['apply', applyCommand],
  ['exchange', exchangeCommand],
  ['doctor', doctorCommand],
  ['verify-log', verifyLogCommand],
])

try {
  process.exitCode = await run(process.argv.slice(2))
} catch (error) {
  // An SDK's message may quote whole requests; the first line says what it is about.
  console.error(
    error instanceof Error ? `causeway: ${printable(error.message.split('\n', 1).join())}` : 'causeway: failed',
  )
  if (error instanceof UsageError) console.error('causeway --help tells the options.')
  process.exitCode = 1
}

async function run([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === 'help' || [name, ...args].some(word => helpFlags.includes(word))) {
    console.log(usage)
    return name === undefined ? 1 : 0
  }
  const command = commands.get(name)
  if (!command) throw new UsageError(`there is no command ${name}: expected ${[...commands.keys()].join(', ')}`)
  return command(args)
}
