import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'

/** SQL: an instant as ISO 8601 in UTC with milliseconds, the form in which every instant leaves this package. */
export function isoInstant(instant: SQL): SQL {
  return sql`to_char(${instant} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
}
