import { connect } from '@stockpile/db/connection'
import type { Database } from '@stockpile/db/connection'
import { listRuns } from '@stockpile/db/run-status'
import { countUnfinished } from '@stockpile/db/run-items'
import { readStored } from '@stockpile/db/stored-summary'
import type { StoredSummary } from '@stockpile/db/stored-summary'
import type { Unfinished } from '@stockpile/db/run-items'

/** What earlier starts left in the database. */
export interface StoredState {
  /** Ids of those of the newest 20 runs that have finished. */
  finishedRuns: string[]
  stored: StoredSummary
  unfinished: Unfinished
}

/** So many symbols are named one by one. */
const NAMED = 5

/** Reads what earlier starts left. The database is asked, since no API serves yet. */
export async function readStoredState(databaseUrl: string): Promise<StoredState> {
  return withDatabase(databaseUrl, async (db) => {
    const { runs } = await listRuns(db, { limit: 20, offset: 0 })
    return {
      finishedRuns: runs.filter((run) => run.finishedAt !== null).map((run) => run.id),
      stored: await readStored(db, NAMED),
      unfinished: await countUnfinished(db),
    }
  })
}

/** Counts what this start leaves unfinished. The database is asked, since the API has ended. */
export async function countUnfinishedIn(databaseUrl: string): Promise<Unfinished> {
  return withDatabase(databaseUrl, countUnfinished)
}

async function withDatabase<T>(databaseUrl: string, work: (db: Database) => Promise<T>): Promise<T> {
  const { db, close } = connect({
    databaseUrl,
    applicationName: 'stockpile-start',
    maxConnections: 1,
    statementTimeoutMs: 10_000,
  })
  try {
    return await work(db)
  } finally {
    await close()
  }
}
