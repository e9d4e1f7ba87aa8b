import {
  type Context,
  type ContextManager,
  context,
  metrics,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  AggregationTemporality,
  type DataPoint,
  type Histogram,
  MeterProvider,
  MetricReader,
} from '@opentelemetry/sdk-metrics'
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base'
import { afterEach, describe, expect, test } from 'vitest'
import { unavailable } from '../shared/errors.ts'
import { openTelemetry } from '../shared/telemetry.ts'
import { exchangeWatcher } from '../shared/telemetry-exchange.ts'
import { watchGateway } from '../shared/telemetry-gateway.ts'
import { issuerKeys } from '../shared/workload/issuer-keys.ts'
import { asked, failureOf, issuedBy, openRoute, type Route, refusedBy, secretText } from './exchange-steps.ts'
import { issuerOf, newSigner } from './workload/tokens.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const parentId = '00f067aa0ba902b7'
const traceParent = `00-${traceId}-${parentId}-01`

/** Numbers that are collected when a test asks for them. */
class OnDemand extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

afterEach(() => {
  trace.disable()
  metrics.disable()
  context.disable()
})

/** An SDK as an operator may register it, that keeps everything. */
function registerSdk(aggregationTemporality = AggregationTemporality.CUMULATIVE) {
  const exporter = new InMemorySpanExporter()
  const reader = new OnDemand({ aggregationTemporalitySelector: () => aggregationTemporality })
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  return {
    spans: () => exporter.getFinishedSpans(),
    async points<T = number>(name: string): Promise<readonly Pick<DataPoint<T>, 'attributes' | 'value'>[]> {
      const { resourceMetrics } = await reader.collect()
      const found = resourceMetrics.scopeMetrics.flatMap(scope => scope.metrics)
      const points = found.find(({ descriptor }) => descriptor.name === name)?.dataPoints ?? []
      return points.map(({ attributes, value }) => ({ attributes, value: value as T }))
    },
  }
}

/** The route on fakes, watched by whatever is registered now. */
function watchedRoute(): Route {
  const route = openRoute()
  return { ...route, steps: { ...route.steps, watch: exchangeWatcher(openTelemetry(), () => performance.now()) } }
}

const named = (spans: readonly ReadableSpan[], name: string) => spans.filter(span => span.name === name)
const targetDown = () => Promise.reject(unavailable('target_unavailable', { cause: new Error(secretText) }))

describe('what an exchange leaves', () => {
  test('is one span in the trace of its caller, with one for each step of the route beneath it', async () => {
    const { spans } = registerSdk()
    const route = watchedRoute()
    const issued = await issuedBy(route, { ...asked(), traceParent })
    const [whole] = named(spans(), 'causeway.exchange')
    expect(whole?.spanContext().traceId).toBe(traceId)
    expect(whole?.parentSpanContext?.spanId).toBe(parentId)
    expect(whole?.attributes).toEqual({
      'causeway.decision_id': 'decision-1',
      'causeway.lease_id': issued.lease,
      'causeway.outcome': 'issued',
      'causeway.issuer': route.entries[0]?.workload.issuer.id,
      'causeway.target': 'orders-db',
      'causeway.provider': 'postgresql',
    })
    const steps = spans().filter(span => span.parentSpanContext?.spanId === whole?.spanContext().spanId)
    expect(steps.map(({ name }) => name)).toEqual(
      ['verify', 'target', 'decide', 'lease', 'record', 'mint'].map(step => `causeway.exchange.${step}`),
    )
  })

  test('of a denial tells code and reason, and is no error', async () => {
    const { spans, points } = registerSdk()
    await refusedBy(watchedRoute(), asked('off'))
    const labels = {
      'causeway.outcome': 'denied',
      'causeway.code': 'invalid_target',
      'causeway.reason': 'target_disabled',
    }
    const [whole] = named(spans(), 'causeway.exchange')
    expect(whole?.attributes).toMatchObject(labels)
    expect(whole?.status.code).toBe(SpanStatusCode.UNSET)
    expect(await points('causeway.exchanges')).toEqual([{ value: 1, attributes: expect.objectContaining(labels) }])
  })

  test('never names a target that is not there: it is a text of the caller', async () => {
    const { spans, points } = registerSdk()
    await refusedBy(watchedRoute(), asked('what-the-caller-made-up'))
    const told = JSON.stringify([
      spans().map(({ name, attributes }) => [name, attributes]),
      await points('causeway.exchanges'),
    ])
    expect(told).toContain('target_unknown')
    expect(told).not.toContain('what-the-caller-made-up')
  })

  test('of a failure is marked at the step that failed, without the text of the error', async () => {
    const { spans } = registerSdk()
    const route = watchedRoute()
    const targets = { find: targetDown }
    await failureOf({ ...route, steps: { ...route.steps, targets } })
    const [step] = named(spans(), 'causeway.exchange.target')
    const [whole] = named(spans(), 'causeway.exchange')
    expect(whole?.attributes).toMatchObject({
      'causeway.outcome': 'failed',
      'causeway.reason': 'target_unavailable',
      'causeway.code': 'temporarily_unavailable',
    })
    expect(step?.status).toEqual({ code: SpanStatusCode.ERROR })
    expect(named(spans(), 'causeway.exchange.record')[0]?.status.code).toBe(SpanStatusCode.UNSET)
    expect(whole?.status).toEqual({ code: SpanStatusCode.ERROR })
    expect(spans().flatMap(({ events }) => events)).toEqual([])
  })

  test('counts and times each step once, and minting only where an account was made', async () => {
    const { points } = registerSdk()
    const route = watchedRoute()
    await issuedBy(route)
    await issuedBy(route)
    const steps = await points<Histogram>('causeway.exchange.step.duration')
    const times = Object.fromEntries(steps.map(({ attributes, value }) => [attributes['causeway.step'], value.count]))
    expect(times).toEqual({ verify: 2, target: 2, decide: 2, lease: 2, record: 2, mint: 1 })
    const [whole] = await points<Histogram>('causeway.exchange.duration')
    expect(whole?.value.count).toBe(2)
    expect(await points('causeway.exchanges')).toEqual([
      { value: 2, attributes: expect.objectContaining({ 'causeway.outcome': 'issued' }) },
    ])
  })

  test('holds no subject, no namespace, no decision and no lease in what is counted', async () => {
    const { points } = registerSdk()
    await issuedBy(watchedRoute())
    const names = (await points('causeway.exchanges')).flatMap(({ attributes }) => Object.keys(attributes))
    expect(names.toSorted()).toEqual(['issuer', 'outcome', 'provider', 'target'].map(name => `causeway.${name}`))
  })
})

describe('the record', () => {
  test.each([
    ['with an SDK', registerSdk],
    ['without any', () => {}],
  ])("holds the caller's trace id (%s), and how long each step took before it", async (_how, register) => {
    register()
    const route = watchedRoute()
    await issuedBy(route, { ...asked(), traceParent })
    const [entry] = route.entries
    expect(entry?.traceId).toBe(traceId)
    expect(Object.keys(entry?.timings ?? {})).toEqual(['verify', 'target', 'decide', 'lease'])
    for (const took of Object.values(entry?.timings ?? {})) expect(took).toBeGreaterThanOrEqual(0)
  })

  test.each([undefined, null, '', 'nonsense', `00-${'0'.repeat(32)}-${parentId}-01`, `ff-${traceId}-${parentId}-01`])(
    'holds no trace id where the caller sends none that is one: %s',
    async given => {
      const route = watchedRoute()
      await issuedBy(route, { ...asked(), traceParent: given })
      expect(route.entries[0]).not.toHaveProperty('traceId')
    },
  )

  test('of a host that makes spans itself belongs to its trace', async () => {
    registerSdk()
    const route = watchedRoute()
    const host = trace.getTracer('host').startSpan('invocation')
    await context.with(trace.setSpan(ROOT_CONTEXT, host), () => issuedBy(route, { ...asked(), traceParent }))
    expect(route.entries[0]?.traceId).toBe(host.spanContext().traceId)
  })
})

const hostile = (): never => {
  throw new Error(secretText)
}
/** Whatever is called of it throws, but for what ends it. */
const throwing = (): never =>
  new Proxy({}, { get: (_target, name) => (name === 'disable' ? () => {} : hostile) }) as never
const only = (method: string, came: unknown): never =>
  new Proxy({}, { get: (_target, name) => (name === method ? () => came : hostile) }) as never

const throwingAfterwards = (): ContextManager => {
  const manager: ContextManager = {
    active: () => ROOT_CONTEXT,
    with(_context: Context, work, self, ...args) {
      work.call(self as never, ...args)
      return hostile()
    },
    bind: hostile,
    enable: () => manager,
    disable: () => manager,
  }
  return manager
}

describe('telemetry that is broken changes nothing', () => {
  test.each<[string, () => void]>([
    ['the tracer provider', () => void trace.setGlobalTracerProvider(throwing())],
    ['the tracer', () => void trace.setGlobalTracerProvider(only('getTracer', throwing()))],
    ['every span', () => void trace.setGlobalTracerProvider(only('getTracer', only('startSpan', throwing())))],
    ['the meter provider', () => void metrics.setGlobalMeterProvider(throwing())],
    ['the meter', () => void metrics.setGlobalMeterProvider(only('getMeter', throwing()))],
    [
      'every instrument',
      () => {
        const meter = new Proxy({}, { get: () => throwing }) as never
        metrics.setGlobalMeterProvider(only('getMeter', meter))
      },
    ],
    ['the context manager, before the work', () => void context.setGlobalContextManager(throwing())],
    ['the context manager, after the work', () => void context.setGlobalContextManager(throwingAfterwards())],
  ])('%s throws', async (_what, register) => {
    register()
    const route = watchedRoute()
    await issuedBy(route, { ...asked(), traceParent })
    expect(route.events).toEqual(['record allowed', 'mint'])
    expect(route.entries[0]?.traceId).toBe(traceId)
    expect(await refusedBy(route, asked('off'))).toMatchObject({ code: 'invalid_target' })
    const down = { ...route, steps: { ...route.steps, targets: { find: targetDown } } }
    expect(await failureOf(down)).toMatchObject({ reason: 'target_unavailable' })

    const watched = watchGateway(openTelemetry(), () => 0)
    watched.lookup('secrets')(true)
    watched.refused(unavailable('deadline'))
    watched.batch(3)
    watched.keyAges(() => new Map([['aks', 1]]))
    watched.leaseCounts({ live: new Map(), stuck: new Map(), overdue: new Map() })
    watched.revocations({ revoked: 1, failed: 1 })
    expect(await watched.inSpan('work', traceParent, async () => 'done')).toBe('done')
  })

  test('an exporter that never comes to an end keeps nobody waiting', async () => {
    const exported: ReadableSpan[] = []
    const stuck: SpanExporter = {
      export: spans => void exported.push(...spans),
      shutdown: async () => {},
      forceFlush: () => new Promise(() => {}),
    }
    const spanProcessors = [
      new SimpleSpanProcessor(stuck),
      new BatchSpanProcessor(stuck, { maxQueueSize: 1, maxExportBatchSize: 1 }),
    ]
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors }))
    const route = watchedRoute()
    for (let turn = 0; turn < 50; turn++) await issuedBy(route)
    expect(exported.length).toBeGreaterThan(0)
  })

  test('work that throws is done once, and its error goes on', async () => {
    registerSdk()
    const { inSpan } = watchGateway(openTelemetry(), () => 0)
    let times = 0
    const failing = async () => {
      times += 1
      throw unavailable('deadline')
    }
    await expect(inSpan('work', undefined, failing)).rejects.toMatchObject({ reason: 'deadline' })
    expect(times).toBe(1)
  })
})

describe('numbers of a gateway', () => {
  test('leases by target are those of the last run, and nobody tells them once they are old', async () => {
    // As Azure Monitor's exporter asks; a cumulative one repeats what it was told last.
    const { points } = registerSdk(AggregationTemporality.DELTA)
    const clock = { time: 0 }
    const watched = watchGateway(openTelemetry(), () => clock.time)
    expect(await points('causeway.leases.live')).toEqual([])
    const byTarget = (count: number) => new Map([['orders-db', count]])
    watched.leaseCounts({ live: byTarget(7), stuck: byTarget(2), overdue: byTarget(3) })
    const attributes = { 'causeway.target': 'orders-db' }
    expect(await points('causeway.leases.live')).toEqual([{ value: 7, attributes }])
    expect(await points('causeway.revocations.stuck')).toEqual([{ value: 2, attributes }])
    expect(await points('causeway.revocations.overdue')).toEqual([{ value: 3, attributes }])
    clock.time = 200_000
    expect(await points('causeway.leases.live')).toEqual([])
  })

  test("an issuer's keys have the age of what was fetched last, for as long as they are used", async () => {
    const { points } = registerSdk(AggregationTemporality.DELTA)
    const clock = { time: 0 }
    const signer = await newSigner('key-1')
    const issuer = issuerOf({ keys: { jwksUri: 'https://oidc.example/keys' } })
    const keys = issuerKeys({ fetchJson: async () => ({ keys: [signer.published] }), monotonic: () => clock.time })
    watchGateway(openTelemetry(), () => clock.time).keyAges(keys.ages)
    await keys.find(issuer, 'key-1')
    clock.time = 30_000
    await keys.find(issuer, 'key-1')
    const attributes = { 'causeway.issuer': issuer.id }
    expect(await points('causeway.issuer.keys.age')).toEqual([{ value: 30, attributes }])
    clock.time += 600_000
    expect(await points('causeway.issuer.keys.age')).toEqual([])
  })

  test('what was refused without an identity is counted by the issuer that is registered', async () => {
    const { points } = registerSdk()
    const watched = watchGateway(openTelemetry(), () => 0)
    watched.refused(
      unavailable('issuer_keys_unavailable', { detail: { issuer: 'aks', unverifiedSubject: secretText } }),
    )
    expect(await points('causeway.refusals')).toEqual([
      {
        value: 1,
        attributes: {
          'causeway.code': 'temporarily_unavailable',
          'causeway.reason': 'issuer_keys_unavailable',
          'causeway.issuer': 'aks',
        },
      },
    ])
  })
})
