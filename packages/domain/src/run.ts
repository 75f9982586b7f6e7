/** Who asked for a run: a client of the API, or the first start of Stockpile. */
export const RUN_TRIGGERS = ['api', 'start'] as const
export type RunTrigger = (typeof RUN_TRIGGERS)[number]

/** How much of a symbol's history a run asks for. `auto` lets Stockpile decide by the stored rows and by the plan. */
export const OUTPUTSIZES = ['auto', 'compact', 'full'] as const
export type Outputsize = (typeof OUTPUTSIZES)[number]

/** How much of a symbol's history a request asks the provider for. */
export const FETCHED_OUTPUTSIZES = ['compact', 'full'] as const
export type FetchedOutputsize = (typeof FETCHED_OUTPUTSIZES)[number]

/** The states of a run. A run in one of the first four states is unfinished, in one of the others finished. */
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

/** The priorities by which runs spend requests, first to last. Among runs of one priority the oldest goes first. */
export const PRIORITIES = ['high', 'normal', 'low'] as const
export type Priority = (typeof PRIORITIES)[number]

/** The states of an item. The last three are final, except that a person may retry a failed item. */
export const ITEM_STATES = ['pending', 'running', 'succeeded', 'failed', 'cancelled'] as const
export type ItemState = (typeof ITEM_STATES)[number]

/** What an item waits for: room in the quota, a key that works, a provider that answers, or a database that takes rows. */
export const WAITING_FOR = ['quota', 'key', 'provider', 'storage'] as const
export type WaitingFor = (typeof WAITING_FOR)[number]

/** Why an item is snoozed, and for how long. */
export interface Wait {
  /** Null for a wait too short to show to people: the spacing of requests, or a worker that is busy with the symbol. */
  for: WaitingFor | null
  /** A sentence for people. */
  reason: string
  /** Milliseconds until the item may be taken again. */
  ms: number
  /** Whether the provider refused a request for this item; false when the ledger had no room for the request. */
  refused: boolean
}

/** What a worker waits for: everything that an item waits for, and a queue that gives and takes jobs. */
export const WORKER_WAITING_FOR = [...WAITING_FOR, 'queue'] as const
export type WorkerWaitingFor = (typeof WORKER_WAITING_FOR)[number]

/** What a run waits for: everything that a worker waits for, and a worker while none is alive. */
export const RUN_WAITING_FOR = [...WORKER_WAITING_FOR, 'worker'] as const
export type RunWaitingFor = (typeof RUN_WAITING_FOR)[number]

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
