import { startLoadGenerator } from './load.ts'
import type { Part } from './part.ts'
import { exchangeOf, type Form } from './requests.ts'
import { median, spread } from './statistics.ts'

/**
 * Good traffic beside a flood of garbage from as many callers again: the throughput that is left of what the same
 * callers have alone, in turns.
 */
export const flood: Part = {
  names: ['flood.good_ratio'],
  async run({ plan, stage, progress }) {
    const world = await stage.surroundings()
    const gateway = await stage.gateway()
    const good = await exchangeOf(world, { serviceAccount: 'payments/api', target: 'orders-db' })
    const load = { url: `${gateway.url}/token`, callers: plan.callers, until: { seconds: plan.seconds } }
    const generator = startLoadGenerator()
    const alone = () => stage.load().run({ ...load, forms: [good] })
    const beside = async () => {
      const [kept, garbage] = await Promise.all([
        alone(),
        generator.run({ ...load, forms: garbageLike(good), expected: 400 }),
      ])
      return { kept, garbage }
    }
    try {
      await alone()
      const ratios: number[] = []
      const floods: number[] = []
      for (let round = 0; round < plan.rounds; round++) {
        const [quiet, flooded] = [await alone(), await beside()]
        ratios.push(flooded.kept.rate / quiet.rate)
        floods.push(flooded.garbage.rate)
        progress(`flood.good_ratio: round ${round + 1} of ${plan.rounds}`)
      }
      const detail = `beside ${median(floods).toFixed(0)} refusals a second`
      return [
        { name: 'flood.good_ratio', value: median(ratios), unit: 'of good alone', spread: spread(ratios), detail },
      ]
    } finally {
      generator.stop()
    }
  },
}

/** What attackers send at no cost of their own: no token, one of an unknown issuer, one with a broken signature. */
function garbageLike(good: Form): readonly Form[] {
  const token = new URLSearchParams(good).get('subject_token') ?? ''
  const [header = '', payload = '', signature = ''] = token.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
  const elsewhere = Buffer.from(JSON.stringify({ ...claims, iss: 'https://evil.example/' })).toString('base64url')
  const broken = signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`
  return ['garbage', `${header}.${elsewhere}.${signature}`, `${header}.${payload}.${broken}`].map(hostile => {
    const form = new URLSearchParams(good)
    form.set('subject_token', hostile)
    return form.toString()
  })
}
