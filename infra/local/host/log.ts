import type { LogLevel } from './programming-model.ts'

const severity: Readonly<Record<LogLevel, number>> = {
  trace: 0,
  debug: 1,
  information: 2,
  warning: 3,
  error: 4,
  critical: 5,
  none: 6,
}

/** Prints one message as one line. */
export type Print = (level: LogLevel, message: string) => void

/**
 * Prints what is at least `minimum`: up to information on stdout, from warning on stderr. A message is always exactly
 * one line, since text that a caller chose must not be able to forge another.
 */
export function createPrint(minimum: LogLevel): Print {
  return (level, message) => {
    if (severity[level] < severity[minimum] || level === 'none') return
    const stream = severity[level] < severity.warning ? process.stdout : process.stderr
    stream.write(`${message.replace(/[\r\n]+/g, '\\n')}\n`)
  }
}

/** Name and message of what was thrown: what the host prints of a failed function. */
export function describe(thrown: unknown): string {
  return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : `thrown: ${String(thrown)}`
}
