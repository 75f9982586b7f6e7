import { setTimeout as sleep } from 'node:timers/promises'
import type { Api, Run } from './api.js'
import type { ChangeSignal } from './change-signal.js'
import { runBlock } from './run-block.js'
import { changes } from './run-changes.js'
import { isFinished, SMALL_RUN, type Snapshot } from './snapshot.js'
import type { Terminal } from '../terminal/terminal.js'
import { waitReason } from './wait-text.js'

const POLL_MS = 250
/** The API is asked less often when nothing has changed for `SLOW_AFTER_MS`, as while a day's limit is used up. */
const SLOW_POLL_MS = 5_000
const SLOW_AFTER_MS = 10_000
/** All runs have waited for so long: their wait will last, so the addresses are printed meanwhile. */
const WAIT_MS = 3_000
/** After so long the addresses are printed even while a run goes on. */
const LONG_RUN_MS = 15_000
const FAILED_ITEMS = 100

export interface WatchOptions {
  api: Api
  terminal: Terminal
  signal: AbortSignal
  /** When this npm start began: the duration of an older run is counted from here. */
  since: Date
  /** Ids of runs that had finished before this npm start: they are not shown. */
  known: readonly string[]
  /** Raised when a run may have changed: while no run goes on, the API is not asked without it. */
  changed: ChangeSignal
  /** Called once: when all runs are done, wait, or take long. */
  onSettled: () => Promise<void>
}

/** Shows what becomes of each run, by asking the API again and again. Rejects when `signal` aborts; never resolves. */
export async function watchRuns(options: WatchOptions): Promise<never> {
  const { api, terminal, signal, changed } = options
  const finished = new Set(options.known)
  const startedAt = performance.now()
  let shown = new Map<string, Snapshot>()
  let changedAt = startedAt
  let settled = false
  for (;;) {
    // An API that does not answer is asked again: when its process has died, `Programs.died` says so.
    const snapshots = await look(api, finished, shown, options.since).catch(() => undefined)
    signal.throwIfAborted()
    if (snapshots !== undefined) {
      const active = new Map(
        snapshots.filter(({ run }) => !isFinished(run)).map((snapshot) => [snapshot.run.id, snapshot]),
      )
      for (const { run } of snapshots) if (isFinished(run)) finished.add(run.id)
      report(terminal, snapshots, active, shown)
      if (withoutForecast(active) !== withoutForecast(shown)) changedAt = performance.now()
      shown = active
      const long = performance.now() - startedAt > LONG_RUN_MS
      const stuck =
        performance.now() - changedAt > WAIT_MS && [...active.values()].every(({ run }) => waits(run))
      if (!settled && (active.size === 0 || stuck || long)) {
        settled = true
        await options.onSettled()
      }
    }
    await sleep(POLL_MS, undefined, { signal })
    if (shown.size === 0) await changed.next(undefined, signal)
    else if (performance.now() - changedAt > SLOW_AFTER_MS) await changed.next(SLOW_POLL_MS, signal)
  }
}

/** Snapshots of the runs that go on and of those that finished since the last look, oldest first. */
async function look(
  api: Api,
  finished: Set<string>,
  shown: Map<string, Snapshot>,
  since: Date,
): Promise<Snapshot[]> {
  const newest = (await api.runs()).filter((run) => !finished.has(run.id))
  const listed = new Set(newest.map((run) => run.id))
  const older = await Promise.all([...shown.keys()].filter((id) => !listed.has(id)).map((id) => api.run(id)))
  const runs = [...newest, ...older].toReversed()
  return Promise.all(
    runs.map(async (run) => ({
      run,
      begunAt: run.requested_at > since ? run.requested_at : since,
      items: await itemsOf(api, run, shown.get(run.id)),
    })),
  )
}

async function itemsOf(api: Api, run: Run, before: Snapshot | undefined) {
  if (run.counts.total <= SMALL_RUN) return api.items(run.id, { limit: SMALL_RUN })
  // The failed items are asked for again only when there are more of them.
  if (run.counts.failed === (before?.run.counts.failed ?? 0)) return before?.items ?? []
  return api.items(run.id, { limit: FAILED_ITEMS, state: 'failed' })
}

function report(
  terminal: Terminal,
  snapshots: Snapshot[],
  active: Map<string, Snapshot>,
  shown: Map<string, Snapshot>,
): void {
  const now = new Date()
  // The block is redrawn before lines are printed, so that a finished run is not shown in both.
  const drawn = [...active.values()]
  terminal.show(
    drawn.length === 0
      ? undefined
      : (frame) => drawn.flatMap((snapshot) => runBlock(snapshot, new Date(), frame)),
  )
  for (const snapshot of snapshots) {
    if (!terminal.live) terminal.print(...changes(shown.get(snapshot.run.id), snapshot, now))
    else if (isFinished(snapshot.run)) terminal.print(...runBlock(snapshot, now, 0))
  }
}

/** Snapshots as a text to compare, without the forecast, which is a moment later at each look though nothing happened. */
function withoutForecast(snapshots: Map<string, Snapshot>): string {
  return JSON.stringify([...snapshots], (key, value: unknown) =>
    key === 'estimated_completion_at' ? undefined : value,
  )
}

function waits(run: Run): boolean {
  return waitReason(run, new Date()) !== undefined
}
