import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** What a process holds of physical memory, in bytes. Throws where the system does not tell. */
export function residentBytes(pid: number): number {
  const kib = process.platform === 'linux' ? residentOnLinux(pid) : execFileSync('ps', ['-o', 'rss=', '-p', `${pid}`])
  return Number(kib.toString().trim()) * 1024
}

function residentOnLinux(pid: number): string {
  return /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 'unknown'
}

/** `USER_HZ`: 100 on every Linux that Node runs on. */
const ticksPerSecond = 100

/** The processor time that a process has used, in milliseconds; undefined where the system does not tell (not Linux). */
export function processorTime(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined
  // proc_pid_stat(5): the name in parentheses may hold anything; utime and stime are fields 14 and 15.
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? []
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond
}
