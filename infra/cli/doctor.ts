import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { readFlags } from './flags.ts'
import { type Answer, bodyOf, type Operating, operate } from './gateway.ts'
import { jsonText } from './json-text.ts'
import { printable } from './printable.ts'
import { refusal } from './refusal.ts'
import { UsageError } from './usage-error.ts'

export const doctorUsage = `causeway doctor [target | issuer] ID [--token-file F] [--json]
  Says of a target whether it can be reached and used, of an issuer whether its keys and its name are well, step by step.
  Exit code 0: all is well, or cannot be told; 2: something is not; 1: it could not be checked.
  --token-file F  with an issuer: a token of it, of which is said which check it fails, and the rule for its workload
  --json          the whole answer of the gateway`

const options = { 'token-file': { type: 'string' }, json: { type: 'boolean', default: false } } as const

const step = z.object({ step: z.string(), ok: z.boolean().nullable(), expected: z.string(), found: z.string() })
const checked = z.looseObject({
  ok: z.boolean(),
  steps: z.array(step),
  token: z
    .looseObject({ ...step.omit({ step: true }).shape, check: z.string().optional(), rule: z.unknown() })
    .optional(),
})

/** A target is checked within some seconds, by a timer; beyond this nobody does. Milliseconds. */
const patience = 90_000

/** `causeway doctor`: resolves to 0 where nothing is wrong, to 2 where something is. */
export async function doctorCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = readFlags(args, options)
  const { kind, id } = subjectOf(positionals)
  const tokenFile = values['token-file']
  if (tokenFile !== undefined && kind === 'target') throw new UsageError('--token-file goes with an issuer')
  const operating = operate(values)
  const answer = kind === 'target' ? await checkTarget(id, operating) : await checkIssuer(id, tokenFile, operating)
  const { ok, steps, token } = bodyOf(answer, checked)
  if (values.json) console.log(jsonText(answer.body))
  else {
    for (const each of steps) console.log(stepLine(each))
    if (token) console.log(stepLine({ ...token, step: token.check ?? 'token' }))
    if (token?.rule) console.log(`A rule for this workload:\n${jsonText(token.rule)}`)
  }
  return ok ? 0 : 2
}

/** Without a word before it, it is a target. */
function subjectOf(words: readonly string[]): { readonly kind: 'target' | 'issuer'; readonly id: string } {
  const [first, second, more] = words
  if (first === undefined || more !== undefined) throw new UsageError('expected [target | issuer] ID')
  if (second === undefined) return { kind: 'target', id: first }
  if (first !== 'target' && first !== 'issuer') throw new UsageError(`expected target or issuer, found ${first}`)
  return { kind: first, id: second }
}

const asked = z.object({ at: z.string().regex(/^\/manage\/checks\/[0-9a-f-]+$/) })

async function checkTarget(id: string, { ask }: Operating): Promise<Answer> {
  const answer = await ask(`/manage/targets/${encodeURIComponent(id)}/check`, { method: 'POST' })
  if (answer.status !== 202) throw refusal(`target ${id}`, answer)
  const { at } = bodyOf(answer, asked)
  for (let waited = 0; waited < patience; waited += 1_000) {
    const found = await ask(at)
    if (found.status !== 200) throw refusal(`target ${id}`, found)
    if (found.body['state'] === 'done') return found
    await pause(1_000)
  }
  throw new Error(`target ${id}: no answer within ${patience / 1000} seconds: does the timers' app run?`)
}

async function checkIssuer(id: string, tokenFile: string | undefined, { ask }: Operating): Promise<Answer> {
  const body = tokenFile === undefined ? {} : { token: readToken(tokenFile) }
  const answer = await ask(`/manage/issuers/${encodeURIComponent(id)}/check`, { method: 'POST', body })
  if (answer.status !== 200) throw refusal(`issuer ${id}`, answer)
  return answer
}

function readToken(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (cause) {
    throw new UsageError(`--token-file: cannot read ${path}`, { cause })
  }
}

/** What was found may be what somebody wrote into a token that nobody signed. */
function stepLine({ ok, ...told }: z.output<typeof step>): string {
  const [name, expected, found] = [told.step, told.expected, told.found].map(printable)
  const mark = ok === null ? '?   ' : ok ? 'ok  ' : 'FAIL'
  return ok
    ? `${mark}  ${name}: ${expected}${found === 'so' ? '' : `; ${found}`}`
    : `${mark}  ${name}: expected ${expected}; found: ${found}`
}
