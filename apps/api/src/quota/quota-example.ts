import type * as z from 'zod'
import type { quotaSchema } from './quota-schema.js'

/** The quota that OpenAPI shows: of a free key, on the second day of a run of 60 symbols. */
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
