// Runs: who asks for a run, what a run asks for, and how far it is.

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
