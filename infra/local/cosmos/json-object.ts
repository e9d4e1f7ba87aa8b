import { CosmosError } from './cosmos-error.ts'

/** A JSON object from outside: nothing is known of its members yet. */
export type JsonObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Parses text from outside. Throws a 400 where it is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new CosmosError(400, 'The request payload is invalid. Ensure to provide a valid request payload.')
  }
}

/** Parses text that has to be a JSON object. Throws a 400 where it is not. */
export function parseObject(text: string): JsonObject {
  const value = parseJson(text)
  if (isObject(value)) return value
  throw new CosmosError(400, 'The input content is invalid because it is not a JSON object.')
}
