import { checkAndReport } from '@stockpile/db/check-report'
import { connect } from '@stockpile/db/connection'

/** Checks a database, or with `repair` also repairs it, and prints what it finds. @returns whether nothing is wrong */
export async function check(
  databaseUrl: string,
  options: { repair: boolean; print: (line: string) => void },
): Promise<boolean> {
  // No statement timeout, since all rows are counted.
  const { db, close } = connect({
    databaseUrl,
    applicationName: 'stockpile-check',
    maxConnections: 1,
    statementTimeoutMs: 0,
  })
  try {
    return await checkAndReport(db, options)
  } finally {
    await close()
  }
}
