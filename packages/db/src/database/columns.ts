import { sql } from 'drizzle-orm'
import { bigint, customType, timestamp } from 'drizzle-orm/pg-core'

/** A symbol's column. Symbols sort bytewise, whatever the locale of the database, since pages and cursors depend on the order. */
export const symbolText = customType<{ data: string }>({ dataType: () => 'text COLLATE "C"' })

/** A `timestamptz`, read as a Date. */
export const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/**
 * A number that rises with every change of the rows it stands for, so that a sum of versions stands for all their rows. It
 * starts at random and rises by random steps: another database, or a restored backup, with other rows does not come to an
 * equal number.
 */
export const version = () =>
  bigint('version', { mode: 'number' })
    .notNull()
    .default(sql`(random() * 1e12)::bigint`)

/** SQL: that a column has one of these values, for a check. */
export const oneOf = (values: readonly string[]) =>
  sql.raw(`IN (${values.map((value) => `'${value}'`).join(', ')})`)
