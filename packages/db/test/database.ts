import { afterEach } from 'vitest'
import { useDatabase } from '@stockpile/test-harness/database'
import type { Bar } from '@stockpile/domain/bar'
import type { WaitingFor } from '@stockpile/domain/waiting'
import { connect } from '../src/database/connection.js'
import type { Connection } from '../src/database/connection.js'
import { takeItem } from '../src/runs/items.js'
import { packBars } from '../src/prices/bars.js'
import type { ClaimedItem } from '../src/runs/claim.js'
import type { FetchedSeries } from '../src/runs/store-series.js'
import { createRun } from '../src/runs/runs.js'
import type { RunRequest } from '../src/runs/runs.js'

/** Gives each test a migrated database, and closes the connections that the test opened. */
export function useConnection(): {
  readonly url: string
  open: () => Connection
  readonly db: Connection['db']
} {
  const database = useDatabase()
  const opened: Connection[] = []
  let first: Connection | undefined
  const open = () => {
    const connection = connect({
      databaseUrl: database.url,
      applicationName: 'db-test',
      maxConnections: 4,
      statementTimeoutMs: 10_000,
      // As the API connects, which runs most of these statements.
      genericPlans: true,
    })
    opened.push(connection)
    return connection
  }
  afterEach(async () => {
    first = undefined
    await Promise.all(opened.splice(0).map((connection) => connection.close()))
  })
  return {
    open,
    get url() {
      return database.url
    },
    get db() {
      first ??= open()
      return first.db
    },
  }
}

export function bar(date: string, values: Partial<Bar> = {}): Bar {
  return {
    date,
    open: '10.0000',
    high: '12.0000',
    low: '9.0000',
    close: '11.0000',
    volume: '1000',
    ...values,
  }
}

export function runOf(symbols: string[], values: Partial<RunRequest> = {}): RunRequest {
  return { symbols, trigger: 'api', outputsize: 'auto', force: false, priority: 'normal', ...values }
}

/**
 * Creates a run of one symbol and takes its only item.
 * @param values `force` for a symbol that was fetched before: by night and on weekends it would be up to date
 */
export async function takenItem(
  db: Connection['db'],
  symbol: string,
  values: Partial<RunRequest> = {},
): Promise<ClaimedItem> {
  const run = await createRun(db, runOf([symbol], values))
  const [item] = run.items
  const taken = item === undefined ? null : await takeItem(db, item.id)
  if (taken === null) throw new Error('the item could not be taken')
  return taken
}

/** A fetched series: two sound rows by default. */
export const series = (values: Partial<FetchedSeries> = {}): FetchedSeries => ({
  requestId: 0,
  outputsize: 'compact',
  historyLimited: false,
  fullHistory: true,
  bars: packBars([bar('2024-01-02'), bar('2024-01-03')]),
  rejected: [],
  dropped: 0,
  newestRejected: false,
  provisional: 0,
  ...values,
})
export const failure = {
  class: 'http_error',
  detail: 'HTTP 503.',
  advice: 'Wait.',
  httpStatus: 503,
  evidence: 'Service Unavailable',
}

export const wait = (waitingFor: WaitingFor) => ({
  for: waitingFor,
  reason: 'The day is spent.',
  ms: 1_000,
  refused: true,
})
