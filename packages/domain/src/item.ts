// Items: the states of an item, how an item succeeds, and what people are warned of.

/** The states of an item. The last three are final, except that a person may retry a failed item. */
export const ITEM_STATES = ['pending', 'running', 'succeeded', 'failed', 'cancelled'] as const
export type ItemState = (typeof ITEM_STATES)[number]

/**
 * How an item succeeded: by a request of its own (`fetched`), by the request of another run that fetched the symbol after
 * the item was accepted (`coalesced`), or without a request, since none could have brought anything new (`up_to_date`).
 */
export const ITEM_OUTCOMES = ['fetched', 'coalesced', 'up_to_date'] as const
export type ItemOutcome = (typeof ITEM_OUTCOMES)[number]

/** How an item succeeded without a request of its own. */
export type NeedlessOutcome = Exclude<ItemOutcome, 'fetched'>

/** Stable codes of what a person should know about an item that did not fail. */
export const WARNING_CODES = [
  'newest_row_rejected',
  'nothing_stored',
  'restated',
  'rejected_rows_not_kept',
] as const
export type WarningCode = (typeof WARNING_CODES)[number]
