import { createHash } from 'node:crypto'

/** `_rid` of a database: four bytes. The same name always has the same one, so that continuations outlive a restart. */
export function databaseRid(database: string): string {
  return base64(digest(database))
}

/** `_rid` of a container: eight bytes, or the client would not keep its session token. */
export function containerRid(database: string, container: string): string {
  return base64(Buffer.concat([digest(database), digest(`${database}/${container}`)]))
}

/**
 * `_rid` of a document: sixteen bytes, of which the container's come first. The number is written in letters only:
 * their order in Base64 is their order as text, so comparing two ids tells which document is older.
 */
export function documentRid(container: string, serial: number): string {
  return `${container.slice(0, 10)}${inLetters(serial).padStart(11, 'A')}A==`
}

/** `_etag`, quotes included. */
export function etagOf(serial: number): string {
  return `"00000000-0000-0000-0000-${serial.toString(16).padStart(12, '0')}"`
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

function inLetters(value: number): string {
  const rest = Math.floor(value / letters.length)
  return `${rest > 0 ? inLetters(rest) : ''}${letters[value % letters.length]}`
}

function digest(name: string): Buffer {
  return createHash('sha256').update(name).digest().subarray(0, 4)
}

/** Cosmos DB writes `-` for `/`, since resource ids stand in paths. */
function base64(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('/', '-')
}
