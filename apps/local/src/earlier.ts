import { connect } from '@stockpile/db/connection'
import { listFinancialData } from '@stockpile/db/financial-data'
import { listRuns } from '@stockpile/db/run-status'

export interface Earlier {
  /** Runs that have finished, of the newest 20. */
  finishedRuns: string[]
  /** Those of the symbols that have rows. */
  stored: { symbol: string; rows: number }[]
}

/** What an earlier start left: asked of the database, since no API serves yet. */
export async function recallEarlier(databaseUrl: string, symbols: readonly string[]): Promise<Earlier> {
  const { db, close } = connect({
    databaseUrl,
    applicationName: 'stockpile-start',
    maxConnections: 2,
    statementTimeoutMs: 10_000,
  })
  try {
    const { runs } = await listRuns(db, { limit: 20, offset: 0 })
    const counts = await Promise.all(
      symbols.map(async (symbol) => {
        const { count } = await listFinancialData(db, { symbols: [symbol] }, { limit: 1, offset: 0 })
        return { symbol, rows: count }
      }),
    )
    return {
      finishedRuns: runs.filter((run) => run.finishedAt !== null).map((run) => run.id),
      stored: counts.filter(({ rows }) => rows > 0),
    }
  } finally {
    await close()
  }
}
