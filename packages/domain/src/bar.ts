/** One daily bar: raw prices, not adjusted for splits, and the volume, as text exactly as the provider wrote it. */
export interface Bar {
  /** The session's date at the exchange, YYYY-MM-DD. */
  date: string
  open: string
  high: string
  low: string
  close: string
  /** Shares traded, of which there may be fractions. */
  volume: string
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
