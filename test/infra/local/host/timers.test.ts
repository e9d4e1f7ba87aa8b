import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseSchedule } from '../../../../infra/local/host/ncrontab.ts'
import { type Host, startHost } from '../../../../infra/local/host/spawn.ts'
import { writeApp } from './fixture/function-app.ts'

const source = `import { app } from '@azure/functions'
  import { setTimeout as delay } from 'node:timers/promises'
  const yearly = '0 0 0 1 1 *'
  app.timer('tick', { schedule: '*/1 * * * * *', handler: () => console.log('tick') })
  app.timer('off', { schedule: '*/1 * * * * *', runOnStartup: true, handler: () => console.log('off') })
  app.timer('at-start', { schedule: yearly, runOnStartup: true, handler: () => console.log('at start') })
  app.timer('show', { schedule: yearly, handler: timer => console.log(JSON.stringify(timer)) })
  app.timer('fails', { schedule: yearly, handler: () => { throw new Error('no luck') } })
  let running = 0
  app.timer('alone', { schedule: yearly, handler: async (_timer, context) => {
    running += 1
    await delay(50)
    context.log('alone with ' + (running - 1) + ' others')
    running -= 1
  } })`

const env = { 'AzureWebJobs.off.Disabled': 'true', 'AzureWebJobs.tick.Disabled': 'false' }

let host: Host
const lines: string[] = []

beforeAll(async () => {
  host = await startHost({ app: writeApp(source), env, onOutput: line => lines.push(line) })
})
afterAll(() => host.stop())

test('a timer runs on its schedule, again and again', async () => {
  await expect.poll(() => lines.filter(line => line === 'tick').length, { timeout: 30_000 }).toBeGreaterThan(1)
})

test('a timer that is disabled runs neither at the start nor on its schedule, and when it is told to', async () => {
  const ticks = () => lines.filter(line => line === 'tick').length
  const before = ticks()
  await expect.poll(ticks, { timeout: 30_000 }).toBeGreaterThan(before + 1)
  expect(lines).not.toContain('off')
  await host.runTimer('off')
  await expect.poll(() => lines).toContain('off')
})

test('a timer with runOnStartup runs when the app has started', async () => {
  await expect.poll(() => lines).toContain('at start')
})

test('runTimer resolves when the timer has ended, and it is told its schedule', async () => {
  await host.runTimer('show')
  await host.runTimer('show')
  await expect.poll(() => lines.filter(line => line.startsWith('{'))).toHaveLength(2)
  const [first, second] = lines.filter(line => line.startsWith('{')).map(line => JSON.parse(line))
  expect(first.isPastDue).toBe(false)
  expect(first.scheduleStatus.next).toMatch(/^\d{4}-01-01T00:00:00\.000Z$/)
  expect(first.scheduleStatus.last).toBe('0001-01-01T00:00:00.000Z')
  expect(new Date(second.scheduleStatus.last).getUTCFullYear()).toBeGreaterThan(2000)
})

test('runTimer rejects with what the timer throws, and for a name that is none', async () => {
  await expect(host.runTimer('fails')).rejects.toThrow('no luck')
  await expect(host.runTimer('nobody')).rejects.toThrow('no timer function is named nobody')
})

test('one run of a timer is under way at a time', async () => {
  await Promise.all([host.runTimer('alone'), host.runTimer('alone'), host.runTimer('alone')])
  await expect.poll(() => lines.filter(line => line.startsWith('alone'))).toHaveLength(3)
  expect(new Set(lines.filter(line => line.startsWith('alone')))).toEqual(new Set(['alone with 0 others']))
})

test.each([
  ['*/1 * * * * *', '2026-11-22T10:00:00.400Z', '2026-11-22T10:00:01Z'],
  ['0 */5 * * * *', '2026-11-22T10:00:00Z', '2026-11-22T10:05:00Z'],
  ['0 0 * * * *', '2026-11-22T23:00:00Z', '2026-11-23T00:00:00Z'],
  ['15,45 59 23 31 12 *', '2026-12-31T23:59:15Z', '2026-12-31T23:59:45Z'],
  ['0 30 9 * * 1-5', '2026-11-20T09:30:00Z', '2026-11-23T09:30:00Z'],
  ['0 30 9 * * MON-FRI', '2026-11-20T09:30:00Z', '2026-11-23T09:30:00Z'],
  ['0 0 0 29 2 *', '2026-11-22T00:00:00Z', '2028-02-29T00:00:00Z'],
  ['0 0 0 13 * FRI', '2026-11-22T00:00:00Z', '2027-08-13T00:00:00Z'],
  ['0 0 0 1 jan,JUL *', '2026-11-22T00:00:00Z', '2027-01-01T00:00:00Z'],
  ['5/20 * * * * *', '2026-11-22T00:00:25Z', '2026-11-22T00:00:45Z'],
  ['10-20/5 * * * * *', '2026-11-22T00:00:20Z', '2026-11-22T00:01:10Z'],
  ['*/5 * * * *', '2026-11-22T00:00:00Z', '2026-11-22T00:05:00Z'],
])('%s after %s is due at %s', (schedule, after, next) => {
  expect(parseSchedule(schedule).next(new Date(after))).toEqual(new Date(next))
})

test.each([
  '',
  '* * *',
  '60 * * * * *',
  '* * * 0 * *',
  '*/0 * * * * *',
  '5-1 * * * * *',
  '1..2 * * * * *',
  '0 0 0 30 2 *',
])('the schedule "%s" is refused', schedule => {
  expect(() => parseSchedule(schedule)).toThrow()
})
