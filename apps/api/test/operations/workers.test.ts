import { limitsFor } from '@stockpile/db/limits'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { liveWorker, useApp } from '../app.js'

const FINGERPRINT = 'b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c'
const instant = z.iso.datetime()
const times = z.object({
  data: z.tuple([
    z.looseObject({
      started_at: instant,
      last_seen_at: instant,
      waiting: z.looseObject({ since: instant, until: instant }),
    }),
  ]),
})

describe('GET /api/workers', () => {
  const context = useApp({ worker: false })
  const read = async (): Promise<unknown> => (await context.app.inject('/api/workers')).json()

  test('is empty before any worker ever started', async () => {
    expect(await read()).toStrictEqual({ data: [], info: { error: '' } })
  })

  test('says of a worker what it said itself, its key by the beginning of the fingerprint, to the letter of the contract', async () => {
    const { id } = await liveWorker(context.db, {
      name: 'stockpile-worker-1:7',
      version: '3.1.4',
      limits: limitsFor({ perSecond: 1, perMinute: 0, perDay: 25 }),
      keyFingerprint: FINGERPRINT,
      concurrency: 7,
      queue: 'postgres',
      startedMsAgo: 3_600_000,
      waiting: { for: 'storage', reason: 'The disk is full.', ms: 60_000 },
    })
    const answer = await read()
    const [{ started_at, last_seen_at, waiting }] = times.parse(answer).data
    expect(answer).toStrictEqual({
      data: [
        {
          id,
          name: 'stockpile-worker-1:7',
          version: '3.1.4',
          plan: 'free',
          limits: [
            { name: 'second', max: 1, window_seconds: 1 },
            { name: 'day', max: 25, window_seconds: 86_400 },
          ],
          key: { fingerprint: 'b5bb9d80', problem: null },
          concurrency: 7,
          queue: 'postgres',
          started_at,
          last_seen_at,
          state: 'waiting',
          waiting: {
            for: 'storage',
            class: 'storage',
            reason: 'The disk is full.',
            since: waiting.since,
            until: waiting.until,
          },
        },
      ],
      info: { error: '' },
    })
    expect(Date.parse(last_seen_at) - Date.parse(started_at)).toBe(3_600_000)
    expect(Math.abs(Date.parse(waiting.until) - Date.parse(waiting.since) - 60_000)).toBeLessThan(1_000)
    expect(Math.abs(Date.now() - Date.parse(last_seen_at))).toBeLessThan(10_000)
  })
})
