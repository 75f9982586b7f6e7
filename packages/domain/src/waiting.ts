// Waiting: what an item, a worker and a run wait for.

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
