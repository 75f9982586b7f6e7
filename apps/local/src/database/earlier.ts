import { connect } from '@stockpile/db/connection'
import type { Database } from '@stockpile/db/connection'
import { listRuns } from '@stockpile/db/run-status'
import { countUnfinished } from '@stockpile/db/run-items'
import { readStored } from '@stockpile/db/stored-summary'
import type { StoredSummary } from '@stockpile/db/stored-summary'
import type { Unfinished } from '@stockpile/db/run-items'

export interface Earlier {
  /** Runs that have finished, of the newest 20. */
  finishedRuns: string[]
  stored: StoredSummary
  unfinished: Unfinished
}

/** Symbols that are named one by one. */
const NAMED = 5

/** What an earlier start left: asked of the database, since no API serves yet. */
export async function recallEarlier(databaseUrl: string): Promise<Earlier> {
  return withDatabase(databaseUrl, async (db) => {
    const { runs } = await listRuns(db, { limit: 20, offset: 0 })
    return {
      finishedRuns: runs.filter((run) => run.finishedAt !== null).map((run) => run.id),
      stored: await readStored(db, NAMED),
      unfinished: await countUnfinished(db),
    }
  })
}

/** What this start leaves: asked when neither API nor worker are there any more. */
export async function countLeft(databaseUrl: string): Promise<Unfinished> {
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
