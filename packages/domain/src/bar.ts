// Bars: the values of a bar, from which all lists of fields and columns are made, and records that are no sound bar.

/**
 * The values of a bar, in the order of every list. Every list of the provider's fields and of the database's columns is made
 * from this list. Each value is `numeric` in the database, and text everywhere else.
 */
export const BAR_VALUES = [
  { field: 'open', column: 'open_price', kind: 'price' },
  { field: 'high', column: 'high_price', kind: 'price' },
  { field: 'low', column: 'low_price', kind: 'price' },
  { field: 'close', column: 'close_price', kind: 'price' },
  { field: 'volume', column: 'volume', kind: 'volume' },
] as const

export type BarValue = (typeof BAR_VALUES)[number]
/** A value's name in the provider's answers. */
export type BarField = BarValue['field']
/** A value's name in the database and in the API. */
export type BarValueColumn = BarValue['column']

export const BAR_FIELDS = BAR_VALUES.map(({ field }) => field)

/** The columns of a bar in the order of every answer. */
export const BAR_COLUMNS = ['symbol', 'date', ...BAR_VALUES.map(({ column }) => column)] as const
export type BarColumn = (typeof BAR_COLUMNS)[number]

/**
 * One daily bar of a symbol: raw prices, not adjusted for splits, and the number of shares traded, which may be a fraction.
 * Every value is the provider's text, unchanged.
 */
export interface Bar extends Record<BarField, string> {
  /** The date of the session at the exchange, YYYY-MM-DD. */
  date: string
}

/** One bar as it is stored, by the names of its columns. */
export interface StoredBar extends Record<BarValueColumn, string> {
  symbol: string
  /** The date of the session at the exchange, YYYY-MM-DD. */
  date: string
}

/** Makes a record with an entry for each value of a bar, by the provider's names. */
export function byBarField<Entry>(entryOf: (value: BarValue) => Entry): Record<BarField, Entry> {
  return recordOf(
    BAR_FIELDS,
    BAR_VALUES.map((value) => entryOf(value)),
  )
}

/** Makes a record with an entry for each value of a bar, by the names of the columns. */
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

/** Gives a record its names back, which the type of `Object.fromEntries` has lost. */
function hasEach<Name extends string, Entry>(
  record: Record<string, Entry | undefined>,
  names: readonly Name[],
): record is Record<Name, Entry> {
  return names.every((name) => name in record)
}

/** One record of the provider that is not a sound bar. */
export interface RejectedRow<Reason extends string = string> {
  /** The date of the record, YYYY-MM-DD, or null when the record has no real date. */
  date: string | null
  /** The record as the provider sent it, fit for a `jsonb` column. */
  raw: unknown
  /** Codes of everything that is wrong with the record. The codes are stable, since they are stored. */
  reasons: readonly Reason[]
}
