import { readFile } from 'node:fs/promises'

/** The resident memory of a process, in bytes. Linux only. */
export async function residentBytes(pid: number): Promise<number> {
  return kilobytesOf(pid, 'VmRSS')
}

/** The most resident memory that a process ever had, in bytes. Linux only. */
export async function peakResidentBytes(pid: number): Promise<number> {
  return kilobytesOf(pid, 'VmHWM')
}

async function kilobytesOf(pid: number, field: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024
}
