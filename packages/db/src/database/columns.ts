import { sql } from 'drizzle-orm'
import { bigint, customType, timestamp } from 'drizzle-orm/pg-core'

/** Symbols sort bytewise, whatever the locale of the database: pages and cursors depend on it. */
export const symbolText = customType<{ data: string }>({ dataType: () => 'text COLLATE "C"' })

/** A `timestamptz`, read as a Date. */
export const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/**
 * Rises with every change of the rows it stands for, so that a sum of versions stands for all of them. From a random
 * start and by random steps: another database, or this one restored from a backup, does not come to the same number
 * with other rows.
 */
export const version = () =>
  bigint('version', { mode: 'number' })
    .notNull()
    .default(sql`(random() * 1e12)::bigint`)

/** SQL: a check of one column against its values. */
export const oneOf = (values: readonly string[]) =>
  sql.raw(`IN (${values.map((value) => `'${value}'`).join(', ')})`)
