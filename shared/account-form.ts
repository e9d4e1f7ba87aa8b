import { z } from 'zod'

/** How the accounts of a target are called, and what their passwords are made of. */
export const accountForm = z.strictObject({
  /** The name's template: a word, `_{deployment}_`, then text of `[a-z0-9_]`, `{namespace}`, `{serviceAccount}` and `{lease}`. */
  name: z.string().max(128).refine(isNameTemplate, nameExpected()).default('cw_{deployment}_{lease}'),
  password: z
    .strictObject({
      length: z.int().min(20).max(64).default(32),
      /** The characters that it may have. */
      alphabet: z
        .string()
        .regex(/^[\x21-\x7e]{10,94}$/, 'expected 10 to 94 printable ASCII characters, and no space')
        .refine(text => new Set(text).size === text.length, 'expected each character once')
        .default('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'),
    })
    .refine(
      ({ length, alphabet }) => length * Math.log2(alphabet.length) >= leastBits,
      'expected 160 bits at least: a longer password, or more characters to choose from',
    )
    .prefault({}),
})

/** What nobody guesses. */
const leastBits = 160

/** Bits of a lease's id in its account's name: 80, as 16 digits of base 32. */
export const leaseDigits = 16

/** The longest name that a deployment may have. */
const longestDeployment = 12

/** A target's {@link accountForm} within the limits of its provider. */
export type AccountForm = z.output<typeof accountForm> & {
  /** Characters that a name may have. */
  readonly longestName: number
}

const variables = ['{namespace}', '{serviceAccount}'] as const

/**
 * The text, placeholders and all, in order. One word, the deployment, and then what changes from account to account, with
 * underscores between them, which neither has: so the accounts of one deployment begin alike, and no other's do.
 */
export function partsOf(template: string): readonly string[] {
  return template.split(/(\{[^{}]*\})/).filter(part => part !== '')
}

/** Whether it is one of the placeholders of which an account's name may hold a part alone. */
export function isVariable(part: string): part is (typeof variables)[number] {
  return (variables as readonly string[]).includes(part)
}

/** The characters that are left for each of a template's variables; below 1 where it does not fit at all. */
export function roomForVariables(template: string, longestName: number, deployment = longestDeployment): number {
  const parts = partsOf(template)
  const count = parts.filter(isVariable).length
  const fixed = parts.filter(part => !part.startsWith('{')).join('').length + deployment + leaseDigits
  const room = longestName - fixed
  if (count === 0) return room < 0 ? 0 : 1
  return Math.floor(room / count)
}

function nameExpected(): string {
  return (
    'expected a word of a-z and 0-9, "_{deployment}_", and after it "{lease}" once, all of a-z, 0-9 and _, ' +
    'with "{namespace}" and "{serviceAccount}" if you like'
  )
}

function isNameTemplate(template: string): boolean {
  const parts = partsOf(template)
  const places = parts.filter(part => part.startsWith('{'))
  const [first, ...others] = places
  const known = others.every(part => part === '{lease}' || isVariable(part))
  const once = new Set(places).size === places.length && others.includes('{lease}')
  const text = parts.filter(part => !part.startsWith('{')).every(part => /^[a-z0-9_]+$/.test(part))
  return first === '{deployment}' && known && once && text && /^[a-z][a-z0-9]*_\{deployment\}_/.test(template)
}
