import { describe, expect, test } from 'vitest'
import {
  IdempotencyBusyError,
  IdempotencyMismatchError,
  oncePerKey,
  pruneIdempotencyKeys,
} from '../../src/runs/idempotency.js'
import type { Transaction } from '../../src/database/connection.js'
import { createRun } from '../../src/runs/runs.js'
import { runOf, useConnection } from '../database.js'

const connection = useConnection()
const request = { symbols: ['IBM'] }
const work = async (tx: Transaction) => {
  const { id } = await createRun(tx, runOf(['IBM']))
  return { runId: id, answer: { id } }
}
const recall = async (_tx: Transaction, { runId }: { runId: string }) => ({ id: runId })
const runs = async () =>
  (await connection.db.execute<{ count: number }>('SELECT count(*)::int AS count FROM ingest_runs'))[0]?.count

describe('a request with a key', () => {
  test('is done once, however often it is repeated at the same time, and each gets the first answer', async () => {
    const other = connection.open()
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        oncePerKey(index % 2 === 0 ? connection.db : other.db, { key: 'a', request }, work, recall),
      ),
    )
    expect(await runs()).toBe(1)
    expect(new Set(answers.map(({ answer }) => answer.id)).size).toBe(1)
    expect(answers.filter(({ repeated }) => !repeated)).toHaveLength(1)
  })

  test('is refused when the key was used for another request, and counts anew after a day', async () => {
    const first = await oncePerKey(connection.db, { key: 'a', request }, work, recall)
    const another = { symbols: ['AAPL'] }
    await expect(oncePerKey(connection.db, { key: 'a', request: another }, work, recall)).rejects.toThrow(
      IdempotencyMismatchError,
    )
    await connection.db.execute(`UPDATE idempotency_keys SET created_at = now() - interval '25 hours'`)
    const second = await oncePerKey(connection.db, { key: 'a', request: another }, work, recall)
    expect(second.repeated).toBe(false)
    expect(second.answer.id).not.toBe(first.answer.id)
    await pruneIdempotencyKeys(connection.db)
    expect((await oncePerKey(connection.db, { key: 'a', request: another }, work, recall)).repeated).toBe(
      true,
    )
  })

  test('leaves nothing of itself when its work fails', async () => {
    const failing = () => Promise.reject(new Error('on purpose'))
    await expect(oncePerKey(connection.db, { key: 'a', request }, failing, recall)).rejects.toThrow(
      'on purpose',
    )
    expect((await oncePerKey(connection.db, { key: 'a', request }, work, recall)).repeated).toBe(false)
  })

  test('does not wait for ever for the first', async () => {
    const other = connection.open()
    await connection.db.transaction(async (tx) => {
      await tx.execute(`SELECT pg_advisory_xact_lock(hashtextextended('a', 0))`)
      await expect(oncePerKey(other.db, { key: 'a', request }, work, recall)).rejects.toThrow(
        IdempotencyBusyError,
      )
    })
  })
})
