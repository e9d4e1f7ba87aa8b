import { describe, expect, test } from 'vitest'
import { readSettings, SettingsError } from '../shared/settings.ts'

const complete = {
  CAUSEWAY_ROLE: 'all',
  CAUSEWAY_ISSUER: 'https://causeway.example',
  CAUSEWAY_DEPLOYMENT: 'prod',
  CAUSEWAY_COSMOS_ENDPOINT: 'https://causeway.documents.azure.com',
  CAUSEWAY_COSMOS_DATABASE: 'causeway',
  CAUSEWAY_VAULTS: '{"corp":"https://corp-vault.vault.azure.net"}',
  CAUSEWAY_DERIVATION_KEY: 'corp/derivation-key',
  CAUSEWAY_CHECKPOINT_KEY: 'corp/checkpoints',
  CAUSEWAY_OPERATORS_ISSUER: 'https://login.microsoftonline.com/11111111-1111-4111-8111-111111111111/v2.0',
  CAUSEWAY_OPERATORS_AUDIENCE: 'api://causeway',
}

type Environment = Readonly<Record<string, string | undefined>>

function problemsOf(environment: Environment): readonly string[] {
  try {
    readSettings(environment)
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    return error.message
      .split('\n')
      .slice(1)
      .map(line => line.trim())
  }
  return []
}

const withChange = (changed: Environment) => problemsOf({ ...complete, ...changed })

describe('settings that are complete', () => {
  test('are read, with the documented defaults', () => {
    expect(readSettings(complete)).toEqual({
      roles: ['exchange', 'manage', 'timers'],
      issuer: 'https://causeway.example',
      deployment: 'prod',
      cosmos: { endpoint: 'https://causeway.documents.azure.com', database: 'causeway' },
      vaults: new Map([['corp', new URL('https://corp-vault.vault.azure.net')]]),
      derivationKey: { vault: 'corp', secret: 'derivation-key' },
      checkpointKey: { vault: 'corp', key: 'checkpoints' },
      retention: 400 * 86_400_000,
      operators: {
        issuerUrl: complete.CAUSEWAY_OPERATORS_ISSUER,
        audience: 'api://causeway',
        network: 'public',
      },
      approvalByApplications: false,
      identities: { exchange: undefined, manage: undefined, timers: undefined },
      forwarders: [],
      geoipDatabase: undefined,
      rates: { workload: 20, issuer: 2_000 },
      refreshInterval: 3_000,
      countInterval: 60_000,
      applicationInsights: undefined,
    })
  })

  test.each(['exchange', 'manage', 'timers'])('may name one role: %s', role => {
    expect(readSettings({ ...complete, CAUSEWAY_ROLE: role }).roles).toEqual([role])
  })

  test('may name who forwards, how much is let in, how often refusals are written and how long records are kept', () => {
    const forwarder = { issuer: 'entra', subject: 'api-management' }
    const settings = readSettings({
      ...complete,
      CAUSEWAY_FORWARDERS: JSON.stringify([forwarder]),
      CAUSEWAY_WORKLOAD_RATE: '0.5',
      CAUSEWAY_ISSUER_RATE: '10',
      CAUSEWAY_COUNT_INTERVAL: 'PT0.2S',
      CAUSEWAY_RETENTION: 'P30D',
    })
    expect(settings).toMatchObject({
      retention: 30 * 86_400_000,
      forwarders: [forwarder],
      rates: { workload: 0.5, issuer: 10 },
      countInterval: 200,
    })
  })

  test('may name a database of countries', () => {
    const path = '/home/data/countries.mmdb'
    expect(readSettings({ ...complete, CAUSEWAY_GEOIP_DATABASE: path }).geoipDatabase).toBe(path)
  })

  test('stand beside whatever else is in the environment', () => {
    expect(withChange({ PATH: '/bin', WEBSITE_SITE_NAME: 'x', causeway_role: 'x' })).toEqual([])
  })

  test.each(['http://localhost:7071', 'http://127.0.0.1:7071'])('may say %s on one machine', url => {
    expect(readSettings({ ...complete, CAUSEWAY_ISSUER: url }).issuer).toBe(url)
  })
})

describe('settings that are not complete', () => {
  test('are all listed at once, a line each', () => {
    expect(problemsOf({}).map(line => line.split(':')[0])).toEqual(Object.keys(complete))
    for (const line of problemsOf({ ...complete, CAUSEWAY_COSMOS_DATABASE: undefined })) {
      expect(line).toMatch(/^CAUSEWAY_COSMOS_DATABASE: .*\(it is not set\)$/)
    }
  })

  test('are listed together with names that no setting has, even where every other is in order', () => {
    expect(withChange({ CAUSEWAY_COSMOS_ENDPIONT: 'x' })).toEqual(['CAUSEWAY_COSMOS_ENDPIONT: no such setting'])
    const both = withChange({ CAUSEWAY_ROLE: 'king', CAUSEWAY_TYPO: 'x', CAUSEWAY_constructor: 'x' })
    expect(both.map(line => line.split(':')[0])).toEqual(['CAUSEWAY_ROLE', 'CAUSEWAY_TYPO', 'CAUSEWAY_constructor'])
  })

  test.each<[string, string, string]>([
    ['CAUSEWAY_ROLE', 'admin', 'Invalid option'],
    ['CAUSEWAY_ISSUER', 'http://causeway.example', 'expected the https URL of this gateway'],
    ['CAUSEWAY_ISSUER', 'https://causeway.example/', 'expected the https URL of this gateway'],
    ['CAUSEWAY_ISSUER', 'https://causeway.example?x=1', 'expected the https URL of this gateway'],
    ['CAUSEWAY_DEPLOYMENT', 'Prod', 'expected 1 to 12 lower-case letters and digits'],
    ['CAUSEWAY_DEPLOYMENT', 'p_1', 'expected 1 to 12 lower-case letters and digits'],
    ['CAUSEWAY_DEPLOYMENT', 'abcdefghijklm', 'expected 1 to 12 lower-case letters and digits'],
    ['CAUSEWAY_COSMOS_ENDPOINT', 'http://causeway.documents.azure.com', 'expected an https URL'],
    ['CAUSEWAY_COSMOS_DATABASE', '', 'Too small'],
    ['APPLICATIONINSIGHTS_CONNECTION_STRING', 'https://insights.example', 'expected a connection string'],
    ['APPLICATIONINSIGHTS_CONNECTION_STRING', 'InstrumentationKey=11111111', 'expected a connection string'],
    ['CAUSEWAY_VAULTS', '{', 'expected JSON'],
    ['CAUSEWAY_VAULTS', '[]', 'Invalid input: expected record'],
    ['CAUSEWAY_DERIVATION_KEY', 'derivation-key', 'expected "vault alias/secret name"'],
    ['CAUSEWAY_DERIVATION_KEY', 'corp/derivation-key/7', 'expected "vault alias/secret name"'],
    ['CAUSEWAY_DERIVATION_KEY', 'other/derivation-key', 'expected a vault that CAUSEWAY_VAULTS names'],
    ['CAUSEWAY_CHECKPOINT_KEY', 'checkpoints', 'expected "vault alias/key name"'],
    ['CAUSEWAY_CHECKPOINT_KEY', 'corp/checkpoints/7', 'expected "vault alias/key name"'],
    ['CAUSEWAY_CHECKPOINT_KEY', 'other/checkpoints', 'expected a vault that CAUSEWAY_VAULTS names'],
    ['CAUSEWAY_RETENTION', 'PT1H', 'expected an ISO 8601 duration from P1D to P3650D'],
    ['CAUSEWAY_RETENTION', 'P1Y', 'expected an ISO 8601 duration from P1D to P3650D'],
    ['CAUSEWAY_OPERATORS_ISSUER', 'login.microsoftonline.com', 'expected an https URL'],
    ['CAUSEWAY_OPERATORS_NETWORK', 'lan', 'Invalid option'],
    ['CAUSEWAY_APPROVAL_BY_APPLICATIONS', 'yes', 'Invalid option'],
    ['CAUSEWAY_IDENTITY_TIMERS', 'timers', 'expected the client id of a managed identity'],
    ['CAUSEWAY_FORWARDERS', '{', 'expected JSON'],
    ['CAUSEWAY_GEOIP_DATABASE', '', 'Too small'],
    ['CAUSEWAY_WORKLOAD_RATE', '0', 'Too small'],
    ['CAUSEWAY_WORKLOAD_RATE', 'many', 'Invalid input'],
    ['CAUSEWAY_ISSUER_RATE', '', 'Too small'],
    ['CAUSEWAY_ISSUER_RATE', 'Infinity', 'Invalid input|Too big'],
    ['CAUSEWAY_COUNT_INTERVAL', 'PT2M', 'expected an ISO 8601 duration from PT0.1S to PT1M'],
    ['CAUSEWAY_REFRESH_INTERVAL', 'PT15S', 'expected an ISO 8601 duration from PT0.1S to PT10S'],
    ['CAUSEWAY_REFRESH_INTERVAL', '3', 'expected an ISO 8601 duration from PT0.1S to PT10S'],
  ])('%s = %s is refused', (name, value, problem) => {
    expect(withChange({ [name]: value })).toEqual([expect.stringMatching(new RegExp(`^${name}: (${problem})`))])
  })

  test.each([
    [{ issuer: 'entra', subject: 'x' }, 'CAUSEWAY_FORWARDERS'],
    [[{ issuer: 'entra' }], 'CAUSEWAY_FORWARDERS.0.subject'],
    [[{ issuer: 'entra', subject: '' }], 'CAUSEWAY_FORWARDERS.0.subject'],
    [[{ issuer: '*', subject: 'x' }], 'CAUSEWAY_FORWARDERS.0.issuer'],
    [[{ issuer: 'entra', subject: 'x', network: '10.0.0.0/8' }], 'CAUSEWAY_FORWARDERS.0'],
  ])('forwarders %j are refused: nobody forwards by mistake', (forwarders, path) => {
    const [problem = '', ...others] = withChange({ CAUSEWAY_FORWARDERS: JSON.stringify(forwarders) })
    expect(problem.split(':')[0]).toBe(path)
    expect(others).toEqual([])
  })

  test.each([
    'http://corp-vault.vault.azure.net',
    'https://corp-vault.vault.azure.net.evil.example',
    'https://evil.example/corp-vault.vault.azure.net',
    'https://a.b.vault.azure.net',
    'https://localhost.evil.example',
    'https://169.254.169.254',
  ])('a vault at %s is refused: the identity goes to Key Vault only', url => {
    expect(withChange({ CAUSEWAY_VAULTS: JSON.stringify({ corp: url }) })).toEqual([
      'CAUSEWAY_VAULTS.corp: expected https URLs of Key Vaults, and nothing but the host in them',
    ])
  })

  test.each([
    'https://corp-vault.vault.azure.net/secrets',
    'https://corp-vault.vault.azure.net//',
    'https://corp-vault.vault.azure.net/?api-version=7.4',
    'https://corp-vault.vault.azure.net/#again',
    'https://user@corp-vault.vault.azure.net',
    'https://:word@corp-vault.vault.azure.net',
    'https://localhost:8443/again',
  ])('a vault at %s is refused: it would be another than the same without', url => {
    expect(withChange({ CAUSEWAY_VAULTS: JSON.stringify({ corp: url }) })).toEqual([
      'CAUSEWAY_VAULTS.corp: expected https URLs of Key Vaults, and nothing but the host in them',
    ])
  })

  test('are told without any value: one may be a secret that was put in the wrong place', () => {
    const secret = 'hunter2-in-the-wrong-place'
    const everywhere = Object.fromEntries(Object.keys(complete).map(name => [name, secret]))
    const others = {
      CAUSEWAY_IDENTITY_EXCHANGE: secret,
      CAUSEWAY_OPERATORS_NETWORK: secret,
      CAUSEWAY_REFRESH_INTERVAL: secret,
      CAUSEWAY_NO_SUCH: secret,
    }
    const vaults = { ...complete, CAUSEWAY_VAULTS: JSON.stringify({ corp: `https://${secret}` }) }
    const nested = { ...complete, CAUSEWAY_VAULTS: JSON.stringify({ corp: { deeper: secret } }) }
    for (const environment of [{ ...everywhere, ...others }, vaults, nested]) {
      const problems = problemsOf(environment)
      expect(problems.length).toBeGreaterThan(0)
      expect(problems.join('\n')).not.toContain('hunter2')
    }
  })
})
