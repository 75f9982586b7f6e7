import { Redis } from 'ioredis'
import type { Backend } from './backend.js'

/** The Redis would lose or refuse jobs; the message says what to set. */
export class UnsafeRedisError extends Error {
  override readonly name = 'UnsafeRedisError'
}

const DEADLINE_MS = 5_000
const SET_POLICY =
  'Set `maxmemory-policy noeviction` in its configuration (docker compose: `redis-server --maxmemory-policy noeviction`), or for now `redis-cli config set maxmemory-policy noeviction`.'

/**
 * What a Redis says of itself (INFO), judged. BullMQ's keys must never be evicted: that loses jobs and breaks the
 * queue's own books, in silence. Without append-only file a crash loses what was queued, which the dispatcher gives
 * back from PostgreSQL: worth a word, no more.
 * @returns what rules it out, and what is only worth a word; null for nothing
 */
export function judgeRedis(info: string): { refusal: string | null; doubt: string | null } {
  const policy = fieldOf(info, 'maxmemory_policy')
  const refusal =
    policy === undefined || policy === 'noeviction'
      ? null
      : `Redis may evict jobs: its maxmemory-policy is ${policy}. ${SET_POLICY}`
  const doubt =
    fieldOf(info, 'aof_enabled') === '0'
      ? 'Redis keeps no append-only file (appendonly is off): after a crash of it, queued jobs come back from PostgreSQL when a worker starts. Set `appendonly yes` to keep them.'
      : null
  return { refusal, doubt }
}

/**
 * Asks the Redis once, before anything is given to it. One that does not answer is left to show itself: nothing needs
 * it at the start. A queue in PostgreSQL is always safe.
 * @param onDoubt told what is not as it should be, and still works
 * @throws UnsafeRedisError when jobs would be lost there, or it refuses us
 */
export async function assertSafe(backend: Backend, onDoubt: (doubt: string) => void): Promise<void> {
  if (backend.kind !== 'redis') return
  const redis = new Redis(backend.url, {
    lazyConnect: true,
    connectTimeout: DEADLINE_MS,
    commandTimeout: DEADLINE_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  })
  let lastError: Error | undefined
  redis.on('error', (error: Error) => (lastError = error))
  try {
    await redis.connect()
    const { refusal, doubt } = judgeRedis(await redis.info())
    if (refusal !== null) throw new UnsafeRedisError(refusal)
    if (doubt !== null) onDoubt(doubt)
  } catch (error) {
    if (error instanceof UnsafeRedisError) throw error
    if (isRefused(error) || isRefused(lastError))
      throw new UnsafeRedisError('Redis refuses the user or password of REDIS_URL: correct it.')
    onDoubt('Redis does not answer, so its eviction policy could not be checked: it must be noeviction.')
  } finally {
    redis.disconnect()
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof Error && /^(WRONGPASS|NOAUTH)/.test(error.message)
}

function fieldOf(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1]
}
