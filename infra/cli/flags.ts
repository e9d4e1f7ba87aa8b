import { type ParseArgsConfig, parseArgs } from 'node:util'
import { UsageError } from './usage-error.ts'

export const commonUsage = `Where the gateway is and who asks, for every command but verify-log:
  --url URL       of the gateway (or CAUSEWAY_URL)
  --audience A    of the gateway in its tenant (or CAUSEWAY_AUDIENCE): signs in as DefaultAzureCredential does
  --stack FOLDER  of a stack on this machine (npm start): its gateway, and its operators' application`

/** What every command that asks a gateway takes. */
const common = { url: { type: 'string' }, audience: { type: 'string' }, stack: { type: 'string' } } as const

export interface CommonFlags {
  readonly url?: string | undefined
  readonly audience?: string | undefined
  readonly stack?: string | undefined
}

type Options = NonNullable<ParseArgsConfig['options']>
type Parsed<O extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: O & typeof common; strict: true; allowPositionals: true }>
>

/** Reads a command line, of which nothing unknown is accepted. Throws {@link UsageError}. */
export function readFlags<O extends Options>(args: readonly string[], own: O): Parsed<O> {
  try {
    const options = { ...common, ...own }
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: true }) as Parsed<O>
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'the options cannot be read', { cause: error })
  }
}

/** The one word that a command is about. */
export function onlyWord(words: readonly string[], name: string): string {
  const [word, another] = words
  if (word === undefined) throw new UsageError(`${name} is missing`)
  if (another !== undefined) throw new UsageError(`expected one ${name}, found ${another} as well`)
  return word
}
