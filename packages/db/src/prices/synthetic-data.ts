import { sql } from 'drizzle-orm'
import type { Database } from '../database/connection.js'

/** Records, for good, that made-up prices are stored in this database: rows do not say which of them are made up. */
export async function noteSyntheticData(db: Database): Promise<void> {
  await db.execute(sql`UPDATE provider_state SET synthetic_data = true WHERE NOT synthetic_data`)
}

/** Whether made-up prices were ever stored in this database: then none of its prices can be taken for the market's. */
export async function hasSyntheticData(db: Database): Promise<boolean> {
  const [state] = await db.execute<{ synthetic: boolean }>(
    sql`SELECT synthetic_data AS synthetic FROM provider_state`,
  )
  return state?.synthetic === true
}
