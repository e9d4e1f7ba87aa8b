import { basename, dirname } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Import, readSources } from './source-imports.ts'

const sources = readSources()
const productSources = sources.filter(({ path }) => within(path, 'functions') || within(path, 'shared'))
const imports = sources.flatMap(source => source.imports)
const product = productSources.flatMap(source => source.imports)

function within(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`)
}

const steps = ['workload', 'targets', 'rules', 'credentials', 'leases', 'decisions'] as const

function stepOf(path: string): string | undefined {
  return steps.find(step => within(path, `shared/${step}`))
}

function isPackage(to: string): boolean {
  return !/^(functions|shared|infra|test)\//.test(to) && !to.startsWith('node:')
}

/** Imports in words, so that a failure names its line of the rule. */
function shown(found: readonly Import[]): readonly string[] {
  return found.map(({ from, to, values }) => `${from} -> ${to}${values.length > 0 ? ` (${values.join(', ')})` : ''}`)
}

/** The only values that steps hand to others, and why. One that nobody takes any more has to leave this list. */
const sharedValues: readonly { readonly from: string; readonly value: string; readonly because: string }[] = [
  { from: 'shared/credentials/secret.ts', value: 'Secret', because: 'the type of a secret is a class' },
  {
    from: 'shared/workload/issuer.ts',
    value: 'signatureAlgorithms',
    because: 'the metadata states them',
  },
  {
    from: 'shared/credentials/secret-reference.ts',
    value: 'secretReference',
    because: 'documents of every step name secrets by it',
  },
]

const isSharedValue = ({ to, values }: Import) =>
  values.every(value => sharedValues.some(allowed => allowed.from === to && allowed.value === value))

test('there is something to check: every step has sources, and they import each other and packages', () => {
  for (const step of steps) expect(sources.filter(({ path }) => stepOf(path) === step).length).toBeGreaterThan(0)
  expect(product.filter(({ to }) => within(to, 'shared')).length).toBeGreaterThan(100)
  expect(product.filter(({ to }) => isPackage(to)).length).toBeGreaterThan(30)
  expect(product.some(({ typeOnly }) => typeOnly) && product.some(({ dynamic }) => dynamic)).toBe(true)
  expect(productSources.some(source => source.readsEnvironment)).toBe(true)
})

test('every import of this repository names a file that is there', () => {
  const files = new Set(sources.map(({ path }) => path))
  const dangling = product.filter(({ to }) => !isPackage(to) && !to.startsWith('node:') && !files.has(to))
  expect(shown(dangling)).toEqual([])
})

describe('who may import whom', () => {
  test('nothing imports functions', () => {
    const wrong = imports.filter(({ from, to }) => within(to, 'functions') && !within(from, 'functions'))
    expect(shown(wrong.filter(({ from }) => !within(from, 'test')))).toEqual([])
  })

  test('shared and functions import nothing of infra and test', () => {
    expect(shown(product.filter(({ to }) => within(to, 'infra') || within(to, 'test')))).toEqual([])
  })

  test('functions take values from the root of shared, and of the steps only those that they share', () => {
    const taken = product.filter(
      ({ from, to, typeOnly }) => within(from, 'functions') && within(to, 'shared') && !typeOnly,
    )
    expect(taken.length).toBeGreaterThan(0)
    const wrong = taken.filter(found => {
      const isImplementation = stepOf(found.to) !== undefined || basename(found.to).startsWith('cosmos-')
      return isImplementation && !isSharedValue(found)
    })
    expect(shown(wrong)).toEqual([])
  })

  test('only functions/main.ts opens the gateway and reads the settings', () => {
    const roots = ['shared/gateway.ts', 'shared/settings.ts']
    const wrong = product.filter(({ from, to, typeOnly }) => {
      return roots.includes(to) && !typeOnly && from !== 'functions/main.ts' && !isGateway(from)
    })
    expect(shown(wrong)).toEqual([])
  })

  test('the route imports types, decide() and errors, and no package', () => {
    const parts = ['', '-credential', '-facts', '-recorder', '-refusal'].map(part => `shared/exchange${part}.ts`)
    const route = product.filter(({ from }) => parts.includes(from))
    expect(route.length).toBeGreaterThan(5)
    const values = route.filter(({ typeOnly }) => !typeOnly)
    const allowed = ['shared/rules/decide.ts', 'shared/errors.ts', 'shared/or-aborted.ts', ...parts]
    expect(shown(values.filter(({ to }) => !allowed.includes(to)))).toEqual([])
    expect(values.filter(({ to }) => to === 'shared/rules/decide.ts').map(found => found.values)).toEqual([['decide']])
    expect(shown(route.filter(({ to }) => isPackage(to)))).toEqual([])
  })

  test('steps take types from each other, and values from the root of shared only', () => {
    const crossing = product.filter(({ from, to, typeOnly }) => {
      return stepOf(from) !== undefined && within(to, 'shared') && stepOf(to) !== stepOf(from) && !typeOnly
    })
    expect(crossing.length).toBeGreaterThan(0)
    const fromSteps = crossing.filter(found => stepOf(found.to) !== undefined)
    expect(shown(fromSteps.filter(found => !isSharedValue(found)))).toEqual([])
    const forbidden = ['gateway', 'exchange', 'settings'].map(name => `shared/${name}.ts`)
    expect(shown(crossing.filter(({ to }) => forbidden.includes(to)))).toEqual([])
  })

  test('the root of shared, but for the gateway, takes nothing but types and names from the steps', () => {
    const taken = product.filter(({ from, to, typeOnly }) => {
      return dirname(from) === 'shared' && !isGateway(from) && stepOf(to) !== undefined && !typeOnly
    })
    const wrong = taken.filter(found => {
      if (found.from === 'shared/exchange.ts') return found.to !== 'shared/rules/decide.ts'
      return !isSharedValue(found)
    })
    expect(shown(wrong)).toEqual([])
  })

  test('every value that steps are allowed to share is shared', () => {
    const unused = sharedValues.filter(({ from, value }) => {
      return !product.some(
        found => found.to === from && stepOf(found.from) !== stepOf(from) && found.values.includes(value),
      )
    })
    expect(unused).toEqual([])
  })
})

const isExpression = (path: string) => /^shared\/rules\/conditions\/expression(-[a-z]+)?\.ts$/.test(path)
const isExport = (path: string) => path === 'functions/export-telemetry.ts'
const isICalendar = (path: string) => path === 'shared/rules/icalendar.ts' || within(path, 'shared/rules/icalendar')

/** The composition root: a file or some for each role beside it. */
function isGateway(file: string): boolean {
  return /^shared\/gateway(?:-(?:exchange|manage(?:-desk|-editors)?|timers|role))?\.ts$/.test(file)
}

/** Where each package may be imported by shared and functions: the rest of them is for everybody. */
const homes: Readonly<Record<string, (found: Import) => boolean>> = {
  '@azure/functions': ({ from }) => within(from, 'functions'),
  '@azure/cosmos': ({ from }) => isGateway(from) || basename(from).startsWith('cosmos-'),
  '@opentelemetry/api': ({ from }) => from === 'shared/telemetry.ts' || isExport(from),
  '@opentelemetry/sdk-metrics': ({ from }) => isExport(from),
  '@opentelemetry/sdk-trace-base': ({ from }) => isExport(from),
  '@azure/monitor-opentelemetry-exporter': ({ from }) => isExport(from),
  '@azure/identity': ({ from }) => isGateway(from),
  '@azure/keyvault-keys': ({ from }) => isGateway(from) || basename(from).startsWith('key-vault-'),
  '@azure/keyvault-secrets': ({ from }) => isGateway(from) || basename(from).startsWith('key-vault-'),
  jose: ({ from }) => within(from, 'shared/workload'),
  maxmind: ({ from }) => from === 'shared/workload/client-country.ts',
  '@bufbuild/cel': ({ from }) => isExpression(from),
  '@bufbuild/protobuf': ({ from }) => isExpression(from),
  '@bufbuild/re2': ({ from }) => isExpression(from),
  'ical.js': ({ from }) => isICalendar(from),
  'rrule-temporal': ({ from }) => isICalendar(from),
  // A driver is loaded when it is first needed.
  pg: ({ from, typeOnly, dynamic }) =>
    /^shared\/credentials\/postgresql(-[a-z-]+)?\.ts$/.test(from) && (typeOnly || dynamic),
  mysql2: ({ from, typeOnly, dynamic }) =>
    /^shared\/credentials\/mysql(-[a-z0-9-]+)?\.ts$/.test(from) && (typeOnly || dynamic),
}
const everywhere = ['canonicalize', 'lru-cache', 'temporal-polyfill', 'uuid', 'zod']

describe('every outside package has a home', () => {
  test.each(Object.entries(homes))('%s', (name, isHome) => {
    const found = product.filter(({ to }) => to === name || to.startsWith(`${name}/`))
    expect(found.length).toBeGreaterThan(0)
    expect(shown(found.filter(each => !isHome(each)))).toEqual([])
  })

  test('an SDK of telemetry is read only where there is somewhere to export to', () => {
    const found = product.filter(({ to }) => isExport(to))
    expect(found.map(({ from, dynamic }) => ({ from, dynamic }))).toEqual([
      { from: 'functions/main.ts', dynamic: true },
    ])
  })

  test('no other package is used', () => {
    const known = [...Object.keys(homes), ...everywhere]
    const isKnown = (to: string) => known.some(name => to === name || to.startsWith(`${name}/`))
    expect(shown(product.filter(({ to }) => isPackage(to) && !isKnown(to)))).toEqual([])
  })

  test('of infra, only the local stand-ins know @azure/functions', () => {
    const found = imports.filter(({ to }) => to.startsWith('@azure/functions'))
    // Tests bring function apps of their own, for the local host to run.
    const homes = ['functions', 'infra/local', 'test']
    expect(shown(found.filter(({ from }) => !homes.some(home => within(from, home))))).toEqual([])
  })

  test('only the settings read the environment', () => {
    const readers = productSources.filter(source => source.readsEnvironment).map(({ path }) => path)
    expect(readers).toEqual(['shared/settings.ts'])
  })
})

test('one file registers the routes of /manage', () => {
  const registering = product.filter(({ to, values }) => to === '@azure/functions' && values.includes('app'))
  const ofManage = registering.map(({ from }) => from).filter(from => within(from, 'functions/manage'))
  expect(ofManage).toEqual(['functions/manage/managed-route.ts'])
})

test('no file or folder is named for having no subject', () => {
  const vague = /(^|[/-])(utils?|helpers?|common|types?|misc|services?)(?=[/.-]|$)/
  expect(['shared/utils.ts', 'infra/types/a.ts', 'shared/date-helpers.ts'].every(path => vague.test(path))).toBe(true)
  expect(sources.map(({ path }) => path).filter(path => vague.test(path))).toEqual([])
})

test('shared and functions have no import cycle', () => {
  const next = new Map(
    productSources.map(({ path, imports }) => [path, imports.filter(i => !i.typeOnly).map(i => i.to)]),
  )
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '))
    if (trail.includes(path) || done.has(path)) return
    for (const to of next.get(path) ?? []) visit(to, [...trail, path])
    done.add(path)
  }
  for (const path of next.keys()) visit(path, [])
  expect(cycles).toEqual([])
})
