import { readFileSync } from 'node:fs'
import { BlockList, isIPv6 } from 'node:net'
import { Reader, type Response } from 'maxmind'
import { z } from 'zod'
import { SettingsError } from '../settings-error.ts'
import { addressOf, type CountryOf } from './client-address.ts'

/** ISO 3166-1 alpha-2. `ZZ` is how some databases say that they do not know. */
const countryCode = z.string().regex(/^(?!ZZ)[A-Z]{2}$/)

/** The country in a record, by who made the database; MaxMind's `registered_country` is where an owner is, not a client. */
const countryRecord = z.union([
  // GeoLite2, GeoIP2
  z.object({ country: z.object({ iso_code: countryCode }) }).transform(({ country }) => country.iso_code),
  // db-ip, ip-location-db, IPinfo Lite (whose `country` is a name)
  z.object({ country_code: countryCode }).transform(record => record.country_code),
  // IPinfo
  z.object({ country: countryCode }).transform(({ country }) => country),
])

/**
 * Opens a MaxMind-format database of countries, which is read once and kept in memory. Throws {@link SettingsError}
 * where the file is no such database.
 */
export function openCountries(path: string): CountryOf {
  const database = parseDatabase(readDatabase(path))
  const nowhere = addressesOfNoCountry()
  return text => {
    const address = addressOf(text)
    if (address === undefined || nowhere.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')) return undefined
    return countryRecord.safeParse(lookUp(database, address)).data
  }
}

function readDatabase(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
    throw unusable(`the file cannot be read${code}`)
  }
}

function parseDatabase(content: Buffer): Reader<Response> {
  try {
    return new Reader(content)
  } catch {
    throw unusable('expected a MaxMind-format database (.mmdb, not packed)')
  }
}

function unusable(problem: string): SettingsError {
  return new SettingsError([`CAUSEWAY_GEOIP_DATABASE: ${problem}`])
}

/**
 * Networks that are in use everywhere at once (RFC 6890): some databases name a country for them none the less.
 * `::/96` is where databases keep IPv4, so that `::8.8.8.8` would be found, which is nobody's address.
 */
function addressesOfNoCountry(): BlockList {
  const list = new BlockList()
  list.addSubnet('10.0.0.0', 8)
  list.addSubnet('100.64.0.0', 10)
  list.addSubnet('127.0.0.0', 8)
  list.addSubnet('169.254.0.0', 16)
  list.addSubnet('172.16.0.0', 12)
  list.addSubnet('192.168.0.0', 16)
  list.addSubnet('::', 96, 'ipv6')
  list.addSubnet('fc00::', 7, 'ipv6')
  list.addSubnet('fe80::', 10, 'ipv6')
  return list
}

function lookUp(database: Reader<Response>, address: string): unknown {
  // The reader would look up the first four bytes of an IPv6 address there.
  if (isIPv6(address) && database.metadata.ipVersion === 4) return undefined
  try {
    return database.get(address)
  } catch {
    // A database that is broken in one place knows the others.
    return undefined
  }
}
