import { byBarField } from '@stockpile/domain/bar'
import type { Bar } from '@stockpile/domain/bar'

/** The bars of one symbol, ready to be written: each column an array literal of PostgreSQL. */
export interface PackedBars {
  count: number
  columns: Record<keyof Bar, string>
}

/**
 * Packs bars for the upsert. A worker that packs soon after parsing holds six strings while it waits for the database,
 * instead of seven objects a row: a third of its memory, and most of its garbage collection.
 *
 * The literals need no quoting: the client lets only digits, dots and dashes through, and PostgreSQL's casts refuse the rest.
 */
export function packBars(bars: readonly Bar[]): PackedBars {
  const column = (field: keyof Bar) => `{${bars.map((bar) => bar[field]).join(',')}}`
  return {
    count: bars.length,
    columns: { date: column('date'), ...byBarField(({ field }) => column(field)) },
  }
}
