import { readFile } from 'node:fs/promises'

/** What the process has resident, from Linux's accounting. */
export function residentMb(pid: number): Promise<number> {
  return megabytesOf(pid, 'VmRSS')
}

/** The most that it ever had. */
export function peakMemoryMb(pid: number): Promise<number> {
  return megabytesOf(pid, 'VmHWM')
}

async function megabytesOf(pid: number, field: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? NaN) / 1024
}
