import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { inject, onTestFinished, test } from 'vitest'

declare module 'vitest' {
  interface ProvidedContext {
    /** Null when this machine has no Redis, so that the tests of that backend are skipped. */
    redisUrl: string | null
  }
}

export type QueueBackend = { name: 'redis'; redisUrl: string } | { name: 'postgres'; redisUrl: undefined }

export function redisUrl(): string | null {
  return inject('redisUrl')
}

/** The backends that this machine has, for `describe.each`; a missing Redis appears as a skipped test. */
export function queueBackends(): QueueBackend[] {
  const url = redisUrl()
  if (url === null) reportMissingRedis()
  return [
    ...(url === null ? [] : [{ name: 'redis', redisUrl: url } as const]),
    { name: 'postgres', redisUrl: undefined },
  ]
}

function reportMissingRedis(): void {
  test('the same on redis', ({ expect, skip }) => {
    skip('there is no Redis here')
    expect.unreachable()
  })
}

/**
 * Returns a prefix for the current test's keys in Redis, which are deleted after its afterEach hooks. Called in a test or a
 * beforeEach hook.
 */
export function uniquePrefix(): string {
  const prefix = `test-${randomBytes(6).toString('hex')}`
  const url = redisUrl()
  if (url !== null) onTestFinished(() => deleteKeys(url, `${prefix}*`))
  return prefix
}

async function deleteKeys(url: string, pattern: string): Promise<void> {
  const redis = new Redis(url, { commandTimeout: 5_000, maxRetriesPerRequest: 1 })
  try {
    let cursor = '0'
    do {
      const [next, keys] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', 1_000)
      if (keys.length > 0) await redis.unlink(keys)
      cursor = next
    } while (cursor !== '0')
  } finally {
    redis.disconnect()
  }
}
