import { readFile } from 'node:fs/promises'

/** What a process holds in memory now. Linux only. */
export async function residentBytes(pid: number): Promise<number> {
  return kilobytesOf(pid, 'VmRSS')
}

/** The most that it ever held. */
export async function peakResidentBytes(pid: number): Promise<number> {
  return kilobytesOf(pid, 'VmHWM')
}

async function kilobytesOf(pid: number, field: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024
}
