import { mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { obtainRedis } from '@stockpile/test/redis'
import { startTemporaryPostgres } from '@stockpile/test/temporary-postgres'
import { startWatchdog } from '@stockpile/test/watchdog'
import { describeMachine } from '../figures/machine.js'
import { markdownTable } from '../figures/summary.js'
import { greatestInWindow, utilization } from './judge.js'
import { measure } from './measure.js'
import type { Measured } from './measure.js'
import { trialsOf } from './trials.js'
import type { Trial } from './trials.js'

const HEAD = ['limit', '', 'sent ÷ allowed', 'most in a window', 'arrived after its slot: median, 99 %, last']

/**
 * `pnpm bench quota`: how much of the quota is used and whether a limit is ever exceeded, judged by the simulator's log of
 * arrivals. Our worker and other limiters run one after the other, in 4 processes with 4 requests each. Sets exit code 1 when
 * our worker exceeds a limit or misses its target.
 */
export async function benchQuota({ quick }: { quick: boolean }): Promise<void> {
  const interrupted = new AbortController()
  process.once('SIGINT', () => interrupted.abort(new Error('interrupted')))
  const folder = await mkdtemp(join(tmpdir(), 'stockpile-quota-'))
  const watchdog = startWatchdog(folder)
  const redis = await obtainRedis(folder, watchdog)
  const server = await startTemporaryPostgres()
  try {
    const trials = trialsOf({ quick, redis: redis.url !== null })
    const minutes = trials.reduce((sum, trial) => sum + trial.seconds + 5, 0) / 60
    console.log(`4 processes × 4 senders; ${describeMachine()}; some ${Math.ceil(minutes)} minutes`)
    const lines: string[][] = []
    for (const trial of trials) {
      const measured = await measure(trial, { server, redisUrl: redis.url, signal: interrupted.signal })
      const { cells, complaint } = judge(trial, measured)
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

/** Returns the line of the table, and a complaint when our worker did badly. */
function judge(
  trial: Trial,
  { times, endMs, latenessMs }: Measured,
): { cells: string[]; complaint: string | null } {
  const used = utilization(times, trial.limits, endMs)
  const greatest = trial.limits.map((limit) => greatestInWindow(times, limit.windowMs))
  const exceeded = trial.limits.some((limit, index) => (greatest[index] ?? 0) > limit.max)
  const isShort = trial.atLeast !== null && used < trial.atLeast
  const complaints = [
    ...(exceeded ? ['a limit was exceeded'] : []),
    ...(isShort ? [`the target is ${trial.atLeast}`] : []),
  ]
  return {
    cells: [
      trial.limits.map(({ max, windowMs }) => `${max} in ${windowMs / 1_000} s`).join(', '),
      nameOf(trial),
      used.toFixed(3),
      trial.limits.map(({ max }, index) => `${greatest[index]} of ${max}`).join(', ') +
        (exceeded ? ' ✗' : ''),
      latenessMs.length === 0
        ? ''
        : `${[0.5, 0.99, 1].map((part) => quantile(latenessMs, part).toFixed(0)).join(', ')} ms`,
    ],
    complaint: trial.contestant === 'stockpile' && complaints.length > 0 ? complaints.join('; ') : null,
  }
}

function nameOf({ contestant, queue, disturbance }: Trial): string {
  if (contestant !== 'stockpile') return `\`${contestant}\``
  return `ours, queue on ${queue}${disturbance === 'none' ? '' : `, ${disturbance} half-way`}`
}

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.ceil(part * sorted.length) - 1] ?? NaN
}
