/** Who asked for a run: a client of the API, or the first start. */
export const RUN_TRIGGERS = ['api', 'start'] as const
export type RunTrigger = (typeof RUN_TRIGGERS)[number]

/** How much of a symbol's history a run asks for. `auto` goes by what is stored and by what the plan serves. */
export const OUTPUTSIZES = ['auto', 'compact', 'full'] as const
export type Outputsize = (typeof OUTPUTSIZES)[number]

/** How much of a symbol's history a request asks the provider for. */
export const FETCHED_OUTPUTSIZES = ['compact', 'full'] as const
export type FetchedOutputsize = (typeof FETCHED_OUTPUTSIZES)[number]

/** Where a run stands. The first four are of an unfinished run, the others of a finished run. */
export const RUN_STATUSES = [
  'queued',
  'running',
  'waiting_quota',
  'blocked',
  'succeeded',
  'partial',
  'failed',
  'cancelled',
] as const
export type RunStatus = (typeof RUN_STATUSES)[number]

/** The order in which runs spend requests; runs of equal priority go by age. */
export const PRIORITIES = ['high', 'normal', 'low'] as const
export type Priority = (typeof PRIORITIES)[number]

/** Where an item stands. The last three are final, but for a retry of a failed item. */
export const ITEM_STATES = ['pending', 'running', 'succeeded', 'failed', 'cancelled'] as const
export type ItemState = (typeof ITEM_STATES)[number]

/** What an item waits for: room in the quota, a key that works, a provider that answers, or a database that takes rows. */
export const WAITING_FOR = ['quota', 'key', 'provider', 'storage'] as const
export type WaitingFor = (typeof WAITING_FOR)[number]

/** Why an item is snoozed, and for how long. */
export interface Wait {
  /** Null for a wait too short for a person to see: the spacing of requests, or another item of the symbol that is worked on. */
  for: WaitingFor | null
  /** A sentence for people. */
  reason: string
  /** Milliseconds until the item may be taken again. */
  ms: number
  /** Whether the provider refused a request for this item; false when the ledger had no room for the request. */
  refused: boolean
}

/** What a worker waits for: all that an item waits for, and a queue that gives and takes jobs. */
export const WORKER_WAITING_FOR = [...WAITING_FOR, 'queue'] as const
export type WorkerWaitingFor = (typeof WORKER_WAITING_FOR)[number]

/** What a run waits for: all that a worker waits for, and a worker, while none lives. */
export const RUN_WAITING_FOR = [...WORKER_WAITING_FOR, 'worker'] as const
export type RunWaitingFor = (typeof RUN_WAITING_FOR)[number]

/**
 * How an item succeeded: by a request of its own; because another run had fetched the symbol since the item was
 * accepted; or because no request could have brought anything new.
 */
export const ITEM_OUTCOMES = ['fetched', 'coalesced', 'up_to_date'] as const
export type ItemOutcome = (typeof ITEM_OUTCOMES)[number]

/** How an item succeeded without a request of its own. */
export type NeedlessOutcome = Exclude<ItemOutcome, 'fetched'>

/** What a person should know of an item though it did not fail. The codes are stable. */
export const WARNING_CODES = [
  'newest_row_rejected',
  'nothing_stored',
  'restated',
  'rejected_rows_not_kept',
] as const
export type WarningCode = (typeof WARNING_CODES)[number]
