import { readCatalog } from '@stockpile/db/catalog'
import { connect } from '@stockpile/db/connection'
import { migrate } from '@stockpile/db/migrate'

/** @param databaseUrl of an empty database, which is migrated */
export async function freshCatalog(databaseUrl: string): Promise<string[]> {
  await migrate(databaseUrl)
  const { db, close } = connect({
    databaseUrl,
    applicationName: 'catalog',
    maxConnections: 1,
    statementTimeoutMs: 10_000,
  })
  try {
    return await readCatalog(db)
  } finally {
    await close()
  }
}
