import { concludeRequest } from '@stockpile/db/ledger-conclusion'
import { publishPlan, reserveRequest } from '@stockpile/db/ledger'
import { limitsFor } from '@stockpile/db/limits'
import type { WorkerSelf } from '@stockpile/db/workers'
import type { Limit } from '@stockpile/domain/limit'
import { expect } from 'vitest'
import * as z from 'zod'
import { liveWorker, useApp } from '../app.js'
import type { TestApp } from '../app.js'

export const FREE = limitsFor({ perSecond: 1, perMinute: 0, perDay: 25 })
export const DAILY = limitsFor({ perSecond: 0, perMinute: 0, perDay: 25 })
export const FINGERPRINT = 'b5bb9d8014a0f9b1'
/** The window of a day and its safety margin. */
export const DAY_MS = 86_401_000

export const answerShape = z.object({
  data: z.looseObject({ estimated_completion_at: z.string().nullable(), id: z.string() }),
})
export const quotaShape = z.object({
  data: z.object({
    limits: z.array(z.object({ next_frees_at: z.string().nullable() })),
    backlog_done_at: z.string().nullable(),
  }),
})

interface QuotaApp {
  context: TestApp
  get: (url: string) => Promise<unknown>
  /** Starts a run, and returns it as it was answered. */
  post: (payload: object) => Promise<z.infer<typeof answerShape>['data']>
  /** Writes what a worker with the key writes when it starts. */
  startWorker: (worker: { plan: string; limits: readonly Limit[] }) => Promise<WorkerSelf>
  /** Records a request with the key, and its outcome unless that is null. Returns the request's id. */
  spend: (limits: readonly Limit[], outcome: string | null) => Promise<number>
}

/** For each test an app without a worker, and what writes to its ledger. */
export function useQuotaApp(): QuotaApp {
  const context = useApp({ worker: false })
  return {
    context,
    get: async (url) => (await context.app.inject(url)).json(),
    async post(payload) {
      const answer = await context.app.inject({ method: 'POST', url: '/api/ingest', payload })
      expect(answer.statusCode).toBe(202)
      return answerShape.parse(answer.json()).data
    },
    async startWorker({ plan, limits }) {
      await publishPlan(context.db, { plan, limits })
      return liveWorker(context.db, { plan, limits, keyFingerprint: FINGERPRINT })
    },
    async spend(limits, outcome) {
      const asked = { limits, fingerprint: FINGERPRINT, function: 'TIME_SERIES_DAILY', outputsize: 'compact' }
      const reservation = await reserveRequest(context.db, { ...asked, itemId: null })
      if (!reservation.granted) throw new Error(`no slot: ${reservation.reason}`)
      if (outcome !== null)
        await concludeRequest(context.db, reservation.id, {
          outcome,
          answered: true,
          durationMs: 80,
          bytes: 8_000,
        })
      return reservation.id
    },
  }
}

export const symbols = (count: number) => Array.from({ length: count }, (_, index) => `S${index}`)

/** How many milliseconds an instant is from now. */
export const until = (instant: string | null | undefined) => Date.parse(instant ?? '') - Date.now()
