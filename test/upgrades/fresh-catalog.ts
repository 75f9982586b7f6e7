import { readCatalog } from '@stockpile/db/catalog'
import { connect } from '@stockpile/db/connection'
import { migrate } from '@stockpile/db/migrate'

export interface FreshCatalog {
  lines: string[]
  /** `schema.table.column` of every column, in the order in which migrations made them. */
  columns: string[]
}

/** @param databaseUrl of an empty database, which is migrated */
export async function freshCatalog(databaseUrl: string): Promise<FreshCatalog> {
  await migrate(databaseUrl)
  const { db, close } = connect({
    databaseUrl,
    applicationName: 'catalog',
    maxConnections: 1,
    statementTimeoutMs: 10_000,
  })
  try {
    const columns = await db.execute<{ name: string }>(`
      SELECT concat_ws('.', table_schema, table_name, column_name) AS name
        FROM information_schema.columns WHERE table_schema IN ('public', 'drizzle') ORDER BY table_name, ordinal_position`)
    return { lines: await readCatalog(db), columns: columns.map(({ name }) => name) }
  } finally {
    await close()
  }
}
