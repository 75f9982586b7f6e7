import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { obtainRedis } from '@stockpile/test/redis'
import { startTemporaryPostgres } from '@stockpile/test/temporary-postgres'
import { startWatchdog } from '@stockpile/test/watchdog'
import { greatestInWindow, utilization } from './quota/judge.js'
import { measure } from './quota/measure.js'
import type { Measured } from './quota/measure.js'
import { rowsOf } from './quota/rows.js'
import type { Row } from './quota/rows.js'
import { markdownTable } from './statistics.js'

const HEAD = ['limit', '', 'sent ÷ allowed', 'most in a window', 'arrived after its slot: median, 99 %, last']

/**
 * How much of the quota is used and whether a limit is ever exceeded, judged by the provider's (the simulator's) own log:
 * 4 processes × 4, ours and other limiters in turn, one at a time. Exits with 1 when ours exceeds a limit or misses its
 * target.
 */
export async function benchQuota({ quick }: { quick: boolean }): Promise<void> {
  const interrupted = new AbortController()
  process.once('SIGINT', () => interrupted.abort(new Error('interrupted')))
  const folder = await mkdtemp(join(tmpdir(), 'stockpile-quota-'))
  const watchdog = startWatchdog(folder)
  const redis = await obtainRedis(folder, watchdog)
  const server = await startTemporaryPostgres()
  try {
    const rows = rowsOf({ quick, redis: redis.url !== null })
    const minutes = rows.reduce((sum, row) => sum + row.seconds + 5, 0) / 60
    console.log(
      `4 processes × 4 senders; ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}; some ${Math.ceil(minutes)} minutes`,
    )
    const lines: string[][] = []
    for (const row of rows) {
      const measured = await measure(row, { server, redisUrl: redis.url, signal: interrupted.signal })
      const { cells, complaint } = judge(row, measured)
      lines.push(cells)
      console.log(`${cells.join(' | ')} (load ${loadavg()[0]?.toFixed(1)})`)
      if (complaint === null) continue
      console.error(`  ${complaint}`)
      process.exitCode = 1
    }
    console.log(`\n<!-- bench:quota -->\n${markdownTable([HEAD, ...lines])}`)
  } finally {
    await server.stop()
    await redis.stop()
    await rm(folder, { recursive: true, force: true })
    watchdog.release()
  }
}

/** @returns the row of the table, and what is wrong when it is ours */
function judge(
  row: Row,
  { times, endMs, latenessMs }: Measured,
): { cells: string[]; complaint: string | null } {
  const used = utilization(times, row.limits, endMs)
  const greatest = row.limits.map((limit) => greatestInWindow(times, limit.windowMs))
  const exceeded = row.limits.some((limit, index) => (greatest[index] ?? 0) > limit.max)
  const isShort = row.atLeast !== null && used < row.atLeast
  const complaints = [
    ...(exceeded ? ['a limit was exceeded'] : []),
    ...(isShort ? [`the target is ${row.atLeast}`] : []),
  ]
  return {
    cells: [
      row.limits.map(({ max, windowMs }) => `${max} in ${windowMs / 1_000} s`).join(', '),
      nameOf(row),
      used.toFixed(3),
      row.limits.map(({ max }, index) => `${greatest[index]} of ${max}`).join(', ') + (exceeded ? ' ✗' : ''),
      latenessMs.length === 0
        ? ''
        : `${[0.5, 0.99, 1].map((part) => quantile(latenessMs, part).toFixed(0)).join(', ')} ms`,
    ],
    complaint: row.contestant === 'stockpile' && complaints.length > 0 ? complaints.join('; ') : null,
  }
}

function nameOf({ contestant, queue, disturbance }: Row): string {
  if (contestant !== 'stockpile') return `\`${contestant}\``
  return `ours, queue on ${queue}${disturbance === 'none' ? '' : `, ${disturbance} half-way`}`
}

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.ceil(part * sorted.length) - 1] ?? NaN
}
