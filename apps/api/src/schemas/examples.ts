import type * as z from 'zod'
import type { quotaSchema } from './quota.js'
import type { itemSchema, runSchema } from './run.js'
import type { workerSchema } from './worker.js'

/** What OpenAPI shows: taken from a run of IBM, an invalid symbol and AAPL. */
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

/** Of a free key, on the second day of a run of 60 symbols. */
export const QUOTA: z.infer<typeof quotaSchema> = {
  plan: 'free',
  living_plans: ['free'],
  limits: [
    { name: 'second', max: 1, window_seconds: 1, used: 0, remaining: 1, next_frees_at: null },
    {
      name: 'day',
      max: 25,
      window_seconds: 86_400,
      used: 25,
      remaining: 0,
      next_frees_at: '2026-05-20T09:12:46.310Z',
    },
  ],
  blocked: null,
  contradiction: null,
  key: {
    fingerprint: 'b5bb9d80',
    state: 'accepted',
    class: null,
    detail: null,
    advice: null,
    retry_at: null,
    access: [
      {
        function: 'TIME_SERIES_DAILY',
        outputsize: 'compact',
        state: 'accepted',
        class: null,
        detail: null,
        retry_at: null,
        decided_at: '2026-05-18T09:12:44.702Z',
      },
    ],
  },
  items_waiting: 10,
  backlog_done_at: '2026-05-20T09:12:58.910Z',
  no_estimate_because: null,
  causes: [
    {
      for: 'quota',
      class: 'daily_limit',
      since: '2026-05-19T09:12:45.310Z',
      detail: 'The requests of this day are spent.',
      advice: 'Nothing: work goes on by itself. A larger plan, set as ALPHAVANTAGE_PLAN, waits less.',
      until: '2026-05-20T09:12:46.310Z',
    },
  ],
  requests: [
    { day: '2026-05-19', outcome: 'accepted', requests: 25, bytes: 208_775 },
    { day: '2026-05-18', outcome: 'accepted', requests: 25, bytes: 208_801 },
  ],
}

/** Of a free key whose day is spent. */
export const WORKER: z.infer<typeof workerSchema> = {
  id: '0b8d5c1e-2f64-4d9a-8c37-5f1e9a7b6c20',
  name: 'stockpile-worker-1:7',
  version: '0.1.0',
  plan: 'free',
  limits: [
    { name: 'second', max: 1, window_seconds: 1 },
    { name: 'day', max: 25, window_seconds: 86_400 },
  ],
  key: { fingerprint: 'b5bb9d80', problem: null },
  concurrency: 4,
  queue: 'redis',
  started_at: '2026-05-18T09:12:40.006Z',
  last_seen_at: '2026-05-19T09:30:11.412Z',
  state: 'waiting',
  waiting: {
    for: 'quota',
    class: 'daily_limit',
    reason: 'The requests of this day are spent.',
    since: '2026-05-19T09:12:45.310Z',
    until: '2026-05-20T09:12:46.310Z',
  },
}
