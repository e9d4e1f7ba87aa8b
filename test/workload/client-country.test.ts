import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SettingsError } from '../../shared/settings.ts'
import type { CountryOf } from '../../shared/workload/client-address.ts'
import { openCountries } from '../../shared/workload/client-country.ts'

const packaged = (file: string) =>
  fileURLToPath(new URL(`../../node_modules/@ip-location-db/geo-whois-asn-country-mmdb/${file}`, import.meta.url))
const published = packaged('geo-whois-asn-country.mmdb')

const folder = mkdtempSync(join(tmpdir(), 'causeway-countries-'))
afterAll(() => rmSync(folder, { recursive: true }))

function saved(content: Buffer | string): string {
  const path = join(folder, 'database.mmdb')
  writeFileSync(path, content)
  return path
}

type Value = string | number | { readonly [name: string]: Value }

/** Text, unsigned 32-bit numbers and maps as the MaxMind DB format (version 2.0) writes them. */
function encoded(value: Value): Buffer {
  if (typeof value === 'string') return Buffer.concat([Buffer.of((2 << 5) | value.length), Buffer.from(value)])
  if (typeof value === 'number') return Buffer.of((6 << 5) | 4, 0, 0, value >> 8, value & 0xff)
  const members = Object.entries(value).flatMap(([name, member]) => [encoded(name), encoded(member)])
  return Buffer.concat([Buffer.of((7 << 5) | (members.length / 2)), ...members])
}

/** A database of one node, both sides of which are the same record: so every address is found. */
function databaseOf(record: Buffer): string {
  const toRecord = [0, 0, 17]
  const metadata = encoded({ node_count: 1, record_size: 24, ip_version: 6 })
  const marker = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1')
  return saved(Buffer.concat([Buffer.from([...toRecord, ...toRecord]), Buffer.alloc(16), record, marker, metadata]))
}

describe('the country of an address', () => {
  let countryOf: CountryOf
  beforeAll(() => {
    countryOf = openCountries(published)
  })

  test.each([
    ['193.99.144.80', 'DE'],
    ['1.1.1.1', 'AU'],
    ['2a02:2e0:3fe:1001::1', 'DE'],
    ['2001:4860:4860::8888', 'US'],
  ])('%s is in %s, as the database has it', (address, country) => {
    expect(countryOf(address)).toBe(country)
  })

  test.each(['::ffff:193.99.144.80', '::FFFF:193.99.144.80', '::ffff:c163:9050', '0:0:0:0:0:ffff:c163:9050'])(
    '%s is that of the IPv4 address in it',
    address => {
      expect(countryOf(address)).toBe('DE')
    },
  )

  test.each(['192.0.2.1', '240.0.0.1', '4000::1'])('%s is not found, and so not known', address => {
    expect(countryOf(address)).toBe(undefined)
  })

  test.each(['', 'localhost', '193.99.144', '193.99.144.80, 1.1.1.1', '::ffff:193.99.144'])(
    '"%s" is no address, and in no country',
    text => {
      expect(countryOf(text)).toBe(undefined)
    },
  )

  test('is not known of an IPv6 address where the database is of IPv4 only', () => {
    const countryOfIPv4 = openCountries(packaged('geo-whois-asn-country-ipv4.mmdb'))
    expect(countryOfIPv4('193.99.144.80')).toBe('DE')
    expect(countryOfIPv4('::ffff:c163:9050')).toBe('DE')
    expect(countryOfIPv4('2a02:2e0:3fe:1001::1')).toBe(undefined)
  })
})

describe('an address that is in use everywhere', () => {
  test.each([
    '10.0.0.1',
    '::ffff:10.0.0.1',
    '::ffff:a00:1',
    '100.64.0.1',
    '127.0.0.1',
    '169.254.1.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '::1',
    '::193.99.144.80',
    'fd00::1',
    'fe80::1',
  ])('%s is in no country, even where the database names one', address => {
    const countryOf = openCountries(databaseOf(encoded({ country_code: 'DE' })))
    expect(countryOf(address)).toBe(undefined)
    for (const neighbour of ['9.255.255.255', '172.32.0.1', '192.167.255.255', '::1:0:0:1', 'fec0::1']) {
      expect(countryOf(neighbour)).toBe('DE')
    }
  })
})

describe('the record of an address', () => {
  test.each<[string, Value, string | undefined]>([
    ['of GeoLite2', { country: { iso_code: 'DE', geoname_id: 1 }, registered_country: { iso_code: 'US' } }, 'DE'],
    ['of GeoLite2, where only the owner is known', { registered_country: { iso_code: 'US' } }, undefined],
    ['of db-ip', { country_code: 'DE' }, 'DE'],
    ['of IPinfo', { country: 'DE', country_name: 'Germany' }, 'DE'],
    ['of IPinfo Lite', { country: 'Germany', country_code: 'DE' }, 'DE'],
    ['of an autonomous system', { autonomous_system_number: 3320 }, undefined],
    ['that says it does not know', { country_code: 'ZZ' }, undefined],
    ['with an empty code', { country_code: '' }, undefined],
    ['with a code in lower case', { country_code: 'de' }, undefined],
    ['with a code of three letters', { country: { iso_code: 'DEU' } }, undefined],
    ['with a code that is no letters', { country: 'A1' }, undefined],
    ['with a line break in its code', { country: 'DE\n' }, undefined],
    ['with a number for a code', { country_code: 276 }, undefined],
    ['that is no map', 'DE', undefined],
  ])('%s tells the country only in so many letters', (_, record, expected) => {
    expect(openCountries(databaseOf(encoded(record)))('193.99.144.80')).toBe(expected)
  })

  test('that cannot be read leaves the country unknown, and the request goes on', () => {
    const torn = Buffer.of(0, 0)
    expect(openCountries(databaseOf(torn))('193.99.144.80')).toBe(undefined)
  })
})

describe('a file that is no database', () => {
  const content = 'hunter2-in-the-wrong-file'

  test.each<[string, () => string, string]>([
    ['that is not there', () => join(folder, content), 'the file cannot be read (ENOENT)'],
    ['that is a folder', () => folder, 'the file cannot be read (EISDIR)'],
    ['that is empty', () => saved(''), 'expected a MaxMind-format database (.mmdb, not packed)'],
    ['of text', () => saved(content), 'expected a MaxMind-format database (.mmdb, not packed)'],
    [
      'that is packed',
      () => saved(gzipSync(readFileSync(databaseOf(encoded('x'))))),
      'expected a MaxMind-format database (.mmdb, not packed)',
    ],
    [
      'that was cut short',
      () => saved(readFileSync(published).subarray(0, 100_000)),
      'expected a MaxMind-format database (.mmdb, not packed)',
    ],
  ])('%s is a mistake in the settings, told without what is in it', (_, path, problem) => {
    expect(() => openCountries(path())).toThrow(new SettingsError([`CAUSEWAY_GEOIP_DATABASE: ${problem}`]))
  })
})
