import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import { beforeEach } from 'vitest'
import { checkAndReport } from '../../src/migrate/check-report.js'
import { failAttempt } from '../../src/runs/fail-attempt.js'
import { storeSeries } from '../../src/runs/store-series.js'
import { failure, series, takenItem, useConnection } from '../database.js'

/** What a check printed, and whether it found nothing wrong. */
interface Report {
  sound: boolean
  lines: string[]
}

/** For each test a database with rows of three symbols, a rejected record and a failed item, and what checks it. */
export function useCheckedDatabase() {
  const connection = useConnection()
  beforeEach(async () => {
    const { db } = connection
    for (const symbol of ['IBM', 'IBN', 'X']) {
      const rejected = [{ date: '2024-01-04', raw: { close: 'x' }, reasons: ['not_a_number'] }]
      await storeSeries(db, await takenItem(db, symbol), series({ rejected }))
    }
    const failing = await takenItem(db, 'NONE')
    await failAttempt(db, failing, failure, { final: true })
  })
  const report = async (options: { repair?: boolean } = {}): Promise<Report> => {
    const lines: string[] = []
    const print = (line: string) => lines.push(line)
    const sound = await checkAndReport(connection.db, { repair: options.repair ?? false, print })
    return { sound, lines }
  }
  const wrongLines = async (): Promise<string[]> => {
    const { lines } = await report()
    return lines.filter((line) => line.startsWith('WRONG'))
  }
  /** Runs statements past all triggers and constraints, as somebody does who takes the guards away. */
  const damage = async (statements: SQL[]): Promise<void> => {
    await connection.db.transaction(async (tx) => {
      await tx.execute(sql`SET LOCAL session_replication_role = replica`)
      for (const statement of statements) await tx.execute(statement)
    })
  }
  return { connection, report, wrongLines, damage }
}
