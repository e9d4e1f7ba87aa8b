import { printedLines } from '../../shared/printed-lines.ts'

/** A value as JSON for people and programs alike: the same value to whoever parses it, and harmless to a terminal. */
export function jsonText(value: unknown): string {
  return printedLines(JSON.stringify(value, null, 2))
}
