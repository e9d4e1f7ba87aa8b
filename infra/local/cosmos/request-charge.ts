/**
 * What requests cost, in request units, at session consistency. The figures for 1 KB and 100 KB are those of
 * https://learn.microsoft.com/azure/cosmos-db/optimize-cost-reads-writes ; what lies between is interpolated, so this is
 * a table to reason with, not one to bill by.
 */
const pointRead = { at1KB: 1, at100KB: 10 }
const insert = { at1KB: 5.5, at100KB: 50 }
/** A replace costs twice what inserting the same item would. */
const replaceFactor = 2
/** A query's own cost, before what it returns. */
const queryBase = 2.3

export function chargeOfRead(bytes: number): number {
  return interpolate(pointRead, bytes)
}

/** For creates and deletes. */
export function chargeOfInsert(bytes: number): number {
  return interpolate(insert, bytes)
}

export function chargeOfReplace(bytes: number): number {
  return interpolate(insert, bytes) * replaceFactor
}

/** `bytes` of all that the page returns. */
export function chargeOfQuery(bytes: number): number {
  return queryBase + interpolate(pointRead, bytes) - pointRead.at1KB
}

/** `bytes` of all that the page returns. */
export function chargeOfChangeFeed(bytes: number): number {
  return interpolate(pointRead, bytes)
}

/** The value of `x-ms-request-charge`. */
export function formatCharge(units: number): string {
  return String(roundCharge(units))
}

/** Two decimals, as the service shows. */
export function roundCharge(units: number): number {
  return Math.round(units * 100) / 100
}

function interpolate({ at1KB, at100KB }: { at1KB: number; at100KB: number }, bytes: number): number {
  const kilobytes = Math.max(1, bytes / 1024)
  return at1KB + ((kilobytes - 1) * (at100KB - at1KB)) / 99
}
