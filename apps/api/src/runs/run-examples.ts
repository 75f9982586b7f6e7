import type * as z from 'zod'
import type { itemSchema } from './item-schema.js'
import type { runSchema } from './run-schema.js'

/** The run that OpenAPI shows: it asked for IBM, an invalid symbol and AAPL. */
export const FINISHED_RUN: z.infer<typeof runSchema> = {
  id: '01985fd0-7c1a-7b3e-9d52-3f2f8f1f6a10',
  status: 'partial',
  trigger: 'api',
  requested_at: '2026-05-18T09:12:44.106Z',
  finished_at: '2026-05-18T09:12:49.871Z',
  counts: { total: 3, pending: 0, running: 0, succeeded: 2, failed: 1, cancelled: 0 },
  rows: { fetched: 200, inserted: 199, updated: 0, unchanged: 0, rejected: 1, provisional: 0 },
  estimated_completion_at: null,
  no_estimate_because: null,
  waiting: null,
  outputsize: 'compact',
  force: false,
  priority: 'normal',
  failures: [{ class: 'invalid_symbol', count: 1 }],
  warnings: [],
}

export const QUEUED_RUN: z.infer<typeof runSchema> = {
  ...FINISHED_RUN,
  status: 'queued',
  finished_at: null,
  counts: { total: 3, pending: 3, running: 0, succeeded: 0, failed: 0, cancelled: 0 },
  rows: { fetched: 0, inserted: 0, updated: 0, unchanged: 0, rejected: 0, provisional: 0 },
  estimated_completion_at: '2026-05-18T09:12:46.906Z',
  failures: [],
}

export const CANCELLED_RUN: z.infer<typeof runSchema> = {
  ...QUEUED_RUN,
  status: 'cancelled',
  finished_at: '2026-05-18T09:12:45.020Z',
  estimated_completion_at: null,
  counts: { total: 3, pending: 0, running: 0, succeeded: 0, failed: 0, cancelled: 3 },
}

export const FAILED_ITEM: z.infer<typeof itemSchema> = {
  id: 2,
  symbol: 'NOSUCH',
  state: 'failed',
  attempts: 1,
  outputsize: 'compact',
  outcome: null,
  history_limited: false,
  waiting_for: null,
  waiting_reason: null,
  next_attempt_at: null,
  started_at: '2026-05-18T09:12:46.310Z',
  finished_at: '2026-05-18T09:12:46.702Z',
  rows: { fetched: 0, inserted: 0, updated: 0, unchanged: 0, rejected: 0, provisional: 0 },
  warnings: [],
  error: {
    class: 'invalid_symbol',
    detail: 'NOSUCH: Alpha Vantage does not know this symbol.',
    advice: 'Check it with a symbol search.',
  },
}
