import { describe, expect, test } from 'vitest'
import { clientSeenBy } from '../../shared/workload/client-address.ts'
import type { Workload } from '../../shared/workload/workload.ts'

const forwarders = [{ issuer: 'entra', subject: 'api-management' }]

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
  ])('%s is direct, as %s', (peer, address) => {
    expect(clientSeenBy({ peer, forwarded: undefined }, undefined, forwarders)).toEqual({
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
    '%192.0.2.7',
  ])('that is %j is unknown', peer => {
    expect(clientSeenBy({ peer, forwarded: undefined }, undefined, forwarders)).toEqual(unknown)
  })
})

describe('the address that a header says', () => {
  const seen = { peer: '192.0.2.7', forwarded: '198.51.100.9' }
  const direct = { address: '192.0.2.7', provenance: 'direct' }

  test('counts on the word of an actor that may forward', () => {
    expect(clientSeenBy(seen, apiManagement, forwarders)).toEqual({ address: '198.51.100.9', provenance: 'forwarded' })
  })

  test.each<[string, Workload | undefined]>([
    ['nobody', undefined],
    ['another actor', actorOf('entra', 'somebody')],
    ['the same name at another issuer', actorOf('aks', 'api-management')],
    ['a name that only begins alike', actorOf('entra', 'api-management-2')],
  ])('is forged, and ignored, on the word of %s', (_, actor) => {
    expect(clientSeenBy(seen, actor, forwarders)).toEqual(direct)
  })

  test('is ignored where the settings name nobody', () => {
    expect(clientSeenBy(seen, apiManagement, [])).toEqual(direct)
  })

  test.each([undefined, '', 'somewhere', '198.51.100.9, 10.0.0.1'])(
    'that is %j leaves it unknown: the peer is the proxy and not the client',
    forwarded => {
      expect(clientSeenBy({ ...seen, forwarded }, apiManagement, forwarders)).toEqual(unknown)
    },
  )
})
