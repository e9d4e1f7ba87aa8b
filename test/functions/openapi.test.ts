import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { openapiDocument } from '../../functions/openapi/description.ts'
import { routeRows } from '../../functions/openapi/routes.ts'
import { openGateway } from '../../shared/gateway.ts'
import { readSettings } from '../../shared/settings.ts'

/** What the app registered: its entry runs once, with a programming model that remembers. */
const { routes, ends } = vi.hoisted(() => ({ routes: [] as string[], ends: [] as (() => Promise<void>)[] }))

vi.mock('@azure/functions', () => ({
  app: {
    setup: () => {},
    http: (_: string, { route }: { route: string }) => routes.push(route),
    timer: () => {},
    hook: { appTerminate: (end: () => Promise<void>) => ends.push(end) },
  },
}))

const environment = {
  CAUSEWAY_ROLE: 'all',
  CAUSEWAY_ISSUER: 'https://gateway.example',
  CAUSEWAY_DEPLOYMENT: 'test',
  CAUSEWAY_COSMOS_ENDPOINT: 'https://localhost:1/',
  CAUSEWAY_COSMOS_DATABASE: 'causeway',
  CAUSEWAY_VAULTS: '{"corp":"https://localhost:1/"}',
  CAUSEWAY_DERIVATION_KEY: 'corp/key',
  CAUSEWAY_CHECKPOINT_KEY: 'corp/causeway-checkpoints',
  CAUSEWAY_OPERATORS_ISSUER: 'https://localhost:1/tenant/v2.0',
  CAUSEWAY_OPERATORS_AUDIENCE: 'api://causeway',
}
let document: Readonly<Record<string, unknown>>
let rows: ReturnType<typeof routeRows>

beforeAll(async () => {
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value)
  vi.spyOn(console, 'log').mockImplementation(() => {})
  await import('../../functions/main.ts')
  // Wired without a role: nothing is connected to.
  const { schemas } = openGateway({ ...readSettings(environment), roles: [] })
  document = openapiDocument('https://gateway.example', schemas)
  rows = routeRows(schemas)
})
afterAll(async () => {
  for (const end of ends) await end()
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

test('every registered function has a row, and every row a function', () => {
  expect(routes.length).toBeGreaterThan(30)
  expect(rows.map(({ route }) => route).toSorted()).toEqual(routes.toSorted())
})

test('the description is OpenAPI 3.1 by its own meta-schema', async () => {
  const validator = new Validator()
  expect(await validator.validate(structuredClone(document))).toEqual({ valid: true })
  expect(validator.version).toBe('3.1')
})

test('every operation of an operator names its roles, and no other demands one', () => {
  const operations = Object.entries(
    document['paths'] as Record<string, Record<string, { security?: unknown }>>,
  ).flatMap(([path, methods]) => Object.values(methods).map(({ security }) => ({ path, security })))
  expect(operations.length).toBeGreaterThan(40)
  for (const { path, security } of operations)
    expect({ path, asks: security !== undefined }).toEqual({ path, asks: path.startsWith('/manage/') })
})

test('documents are described once, and named where they are used', () => {
  const { schemas } = document['components'] as { schemas: object }
  expect(Object.keys(schemas)).toEqual(expect.arrayContaining(['rule', 'guardrail', 'target', 'issuer', 'problem']))
  expect(JSON.stringify(document['paths'])).toContain('"$ref":"#/components/schemas/rule"')
  expect(JSON.stringify(document['paths'])).not.toContain('crossEnvironment')
})
