import { describe, expect, test } from 'vitest'
import { type ClientSettings, clientSeenBy } from '../../shared/workload/client-address.ts'
import type { Workload } from '../../shared/workload/workload.ts'

const settings: ClientSettings = {
  forwarders: [{ issuer: 'entra', subject: 'api-management' }],
  countryOf: () => undefined,
}

function actorOf(issuer: string, subject: string): Workload {
  const token = { keyId: 'key-1', issuedAt: 1, expiresAt: 2 }
  return { issuer: { id: issuer, kind: 'entra', labels: {} }, subject, claims: {}, token }
}

const apiManagement = actorOf('entra', 'api-management')
const unknown = { provenance: 'unknown' }

describe('the address that the front end saw', () => {
  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['192.0.2.7:50123', '192.0.2.7'],
    ['2001:db8::7', '2001:db8::7'],
    ['[2001:db8::7]', '2001:db8::7'],
    ['[2001:db8::7]:50123', '2001:db8::7'],
    ['[fe80::1%eth0]:443', 'fe80::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:192.0.2.7', '192.0.2.7'],
    ['[::ffff:192.0.2.7]:50123', '192.0.2.7'],
    ['::ffff:c000:207', '192.0.2.7'],
    ['[::FFFF:C000:0207]:50123', '192.0.2.7'],
    ['0:0:0:0:0:ffff:c000:207', '192.0.2.7'],
    ['::ffff:c000:207%eth0', '192.0.2.7'],
    ['2001:DB8:0:0::7', '2001:db8::7'],
    // Neither is the IPv4 address that it ends in.
    ['::192.0.2.7', '::192.0.2.7'],
    ['64:ff9b::192.0.2.7', '64:ff9b::c000:207'],
  ])('%s is direct, as %s', (peer, address) => {
    expect(clientSeenBy({ peer, forwarded: undefined }, undefined, settings)).toEqual({
      address,
      provenance: 'direct',
    })
  })

  test.each([
    undefined,
    '',
    'localhost',
    '192.0.2',
    '192.0.2.256',
    '192.0.2.7, 198.51.100.9',
    '192.0.2.7,198.51.100.9',
    ' 192.0.2.7',
    '192.0.2.7:x',
    '[192.0.2.7',
    '0x7f000001',
    '::ffff:192.0.2.7:50123',
    '::ffff:192.0.2',
    '[::ffff:c000:207',
    '%192.0.2.7',
  ])('that is %j is unknown', peer => {
    expect(clientSeenBy({ peer, forwarded: undefined }, undefined, settings)).toEqual(unknown)
  })
})

describe('the address that a header says', () => {
  const seen = { peer: '192.0.2.7', forwarded: '198.51.100.9' }
  const direct = { address: '192.0.2.7', provenance: 'direct' }

  test('counts on the word of an actor that may forward', () => {
    expect(clientSeenBy(seen, apiManagement, settings)).toEqual({ address: '198.51.100.9', provenance: 'forwarded' })
  })

  test.each<[string, Workload | undefined]>([
    ['nobody', undefined],
    ['another actor', actorOf('entra', 'somebody')],
    ['the same name at another issuer', actorOf('aks', 'api-management')],
    ['a name that only begins alike', actorOf('entra', 'api-management-2')],
  ])('is forged, and ignored, on the word of %s', (_, actor) => {
    expect(clientSeenBy(seen, actor, settings)).toEqual(direct)
  })

  test('is ignored where the settings name nobody', () => {
    expect(clientSeenBy(seen, apiManagement, { ...settings, forwarders: [] })).toEqual(direct)
  })

  test.each([undefined, '', 'somewhere', '198.51.100.9, 10.0.0.1'])(
    'that is %j leaves it unknown: the peer is the proxy and not the client',
    forwarded => {
      expect(clientSeenBy({ ...seen, forwarded }, apiManagement, settings)).toEqual(unknown)
    },
  )
})

describe('the country of a client', () => {
  const countries = new Map([
    ['192.0.2.7', 'DE'],
    ['198.51.100.9', 'NL'],
  ])
  const located: ClientSettings = { ...settings, countryOf: address => countries.get(address) }
  const countryOf = (peer: string | undefined, forwarded?: string, actor?: Workload) =>
    clientSeenBy({ peer, forwarded }, actor, located)

  test('is that of the address that counts, as it is told', () => {
    expect(countryOf('192.0.2.7:50123')).toEqual({ address: '192.0.2.7', provenance: 'direct', country: 'DE' })
    expect(countryOf('192.0.2.7', '198.51.100.9')).toMatchObject({ country: 'DE' })
    expect(countryOf('192.0.2.7', '198.51.100.9', apiManagement)).toMatchObject({ country: 'NL' })
  })

  test.each(['::ffff:192.0.2.7', '::ffff:c000:207'])('%s is that of the IPv4 address', peer => {
    expect(countryOf(peer)).toMatchObject({ address: '192.0.2.7', country: 'DE' })
  })

  test('is absent where nobody knows it, or the address', () => {
    expect(countryOf('203.0.113.1')).toStrictEqual({ address: '203.0.113.1', provenance: 'direct' })
    expect(countryOf('192.0.2.7', undefined, apiManagement)).toStrictEqual(unknown)
  })
})
