import { postgresJsOptions } from '@stockpile/db/driver-options'
import postgres from 'postgres'

/** Does work on a connection of its own, which is closed afterwards. */
export async function withConnection<T>(
  url: string,
  work: (sql: postgres.Sql) => PromiseLike<T>,
): Promise<T> {
  const sql = postgres({
    ...postgresJsOptions(url, { applicationName: 'stockpile-start' }),
    max: 1,
    fetch_types: false,
    onnotice: () => undefined,
  })
  try {
    return await work(sql)
  } finally {
    await sql.end({ timeout: 1 })
  }
}
