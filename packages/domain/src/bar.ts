/**
 * The values of a bar in their order: every list of the provider's fields and of the database's columns is made from this
 * one. Each is `numeric` in the database, and text everywhere else.
 */
export const BAR_VALUES = [
  { field: 'open', column: 'open_price', kind: 'price' },
  { field: 'high', column: 'high_price', kind: 'price' },
  { field: 'low', column: 'low_price', kind: 'price' },
  { field: 'close', column: 'close_price', kind: 'price' },
  { field: 'volume', column: 'volume', kind: 'volume' },
] as const

export type BarValue = (typeof BAR_VALUES)[number]
/** As the provider names a value. */
export type BarField = BarValue['field']
/** As the database and the API name a value. */
export type BarValueColumn = BarValue['column']

/** The values' names as the provider has them. */
export const BAR_FIELDS = BAR_VALUES.map(({ field }) => field)

/** The columns of a bar in the order of every answer. */
export const BAR_COLUMNS = ['symbol', 'date', ...BAR_VALUES.map(({ column }) => column)] as const
export type BarColumn = (typeof BAR_COLUMNS)[number]

/**
 * One daily bar: raw prices, not adjusted for splits, and the shares traded, of which there may be fractions; as text exactly
 * as the provider wrote it.
 */
export interface Bar extends Record<BarField, string> {
  /** The session's date at the exchange, YYYY-MM-DD. */
  date: string
}

/** One stored bar by the names of its columns. */
export interface StoredBar extends Record<BarValueColumn, string> {
  symbol: string
  /** YYYY-MM-DD. */
  date: string
}

/** @returns an entry for each value of a bar, by the provider's name */
export function byBarField<Entry>(entryOf: (value: BarValue) => Entry): Record<BarField, Entry> {
  return recordOf(
    BAR_FIELDS,
    BAR_VALUES.map((value) => entryOf(value)),
  )
}

/** @returns an entry for each value of a bar, by the column's name */
export function byBarColumn<Entry>(entryOf: (value: BarValue) => Entry): Record<BarValueColumn, Entry> {
  return recordOf(
    BAR_VALUES.map(({ column }) => column),
    BAR_VALUES.map((value) => entryOf(value)),
  )
}

function recordOf<Name extends string, Entry>(
  names: readonly Name[],
  entries: readonly Entry[],
): Record<Name, Entry> {
  const record = Object.fromEntries(names.map((name, index) => [name, entries[index]]))
  if (!hasEach<Name, Entry>(record, names)) throw new Error('a record without each of its names')
  return record
}

/** `Object.fromEntries` forgets the names in its type. */
function hasEach<Name extends string, Entry>(
  record: Record<string, Entry | undefined>,
  names: readonly Name[],
): record is Record<Name, Entry> {
  return names.every((name) => name in record)
}

/** A record of the provider that is no sound bar. */
export interface RejectedRow<Reason extends string = string> {
  /** Its date, YYYY-MM-DD, or null when what stands there is no real date. */
  date: string | null
  /** The record as received, fit for jsonb. */
  raw: unknown
  /** Codes of everything that is wrong with it; they are stable, since they are kept in the database. */
  reasons: readonly Reason[]
}
