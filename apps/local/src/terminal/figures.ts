/** A number as people read it: 25,000,101. */
export function thousands(count: number): string {
  return count.toLocaleString('en-US')
}

/** A number of things: 1 row, 5,002 rows. */
export function counted(count: number, what: string): string {
  return `${thousands(count)} ${what}${count === 1 ? '' : 's'}`
}

/** A duration, rounded up to seconds: 4 s, 2 min 5 s, 3 h 20 min, 2 days 4 h. */
export function duration(ms: number): string {
  const seconds = Math.ceil(ms / 1_000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${hours} h ${minutes % 60} min`
  return `${Math.floor(hours / 24)} days ${hours % 24} h`
}
