import { alphaVantage } from '@stockpile/alphavantage/provider'
import { limitsFor } from '@stockpile/db/limits'
import { waitFor } from '@stockpile/test-harness/process'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { createQuota } from '../../src/quota/quota.js'
import { StorageHealth } from '../../src/quota/storage-health.js'
import { useSystem } from '../system.js'

const DEADLINE_MS = 10_000
const system = useSystem()

test('a request that leaves late is booked as sent when it leaves, though its answer is far', async () => {
  const logger = pino({ level: 'silent' })
  const { db } = system
  const limits = limitsFor({ perSecond: 5, perMinute: 0, perDay: 0 })
  const quota = createQuota({
    db,
    provider: alphaVantage,
    apiKey: async () => 'key',
    plan: '75',
    limits,
    storage: new StorageHealth({ db, onClosed: () => {}, onOpened: () => {}, logger }),
    onFreed: () => {},
    logger,
  })
  const slotAt = async () => {
    const [row] = await db.execute<{ at: number }>(
      'SELECT (extract(epoch FROM slot_at) * 1000)::float8 AS at FROM provider_requests',
    )
    return row?.at ?? 0
  }
  let before = 0
  let leave = () => {}
  let answer = (_answer: { bytes: number }) => {}
  const request = { itemId: 1, symbol: 'IBM', function: 'TIME_SERIES_DAILY', outputsize: 'compact' } as const
  const sending = quota.send(
    request,
    async (_key, onDeparture) => {
      leave = onDeparture
      before = await slotAt()
      return new Promise<{ bytes: number }>((resolve) => (answer = resolve))
    },
    new AbortController().signal,
  )
  await waitFor(() => before > 0, { deadlineMs: DEADLINE_MS })
  const waitedSince = performance.now()
  // A connection that takes so long to be made.
  await waitFor(() => performance.now() - waitedSince > 300, { deadlineMs: DEADLINE_MS })
  leave()
  await waitFor(async () => (await slotAt()) - before >= 300, { deadlineMs: DEADLINE_MS })
  const booked = await slotAt()
  answer({ bytes: 1 })
  await sending
  expect(await slotAt(), 'what was booked is not booked twice').toBe(booked)
})
