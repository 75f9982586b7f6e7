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
 * Asks the Redis before anything is given to it. One that does not answer is left to show itself: nothing needs it at
 * the start, and `watchSafety` asks again. A queue in PostgreSQL is always safe.
 * @param onDoubt told what is not as it should be, and still works
 * @throws UnsafeRedisError when jobs would be lost there, or it refuses us
 */
export async function assertSafe(backend: Backend, onDoubt: (doubt: string) => void): Promise<void> {
  if (backend.kind !== 'redis') return
  const { refusal, doubt } = await lookAt(backend.url)
  if (refusal !== null) throw new UnsafeRedisError(refusal)
  if (doubt !== null) onDoubt(doubt)
}

/**
 * Looks again, for each new connection: Redis may have been away at the start, or come back as another. Work goes on,
 * since jobs are taken already; a person has to be told.
 * @returns once the look is over; never rejects
 */
export async function watchSafety(
  backend: Backend,
  onUnsafe: (error: UnsafeRedisError) => void,
): Promise<void> {
  if (backend.kind !== 'redis') return
  const { refusal } = await lookAt(backend.url)
  if (refusal !== null) onUnsafe(new UnsafeRedisError(refusal))
}

/** Over a connection of its own: the queue's may be held up. */
async function lookAt(url: string): Promise<ReturnType<typeof judgeRedis>> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: DEADLINE_MS,
    commandTimeout: DEADLINE_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    // It asks INFO by itself, and a user who may not would seem to be away.
    enableReadyCheck: false,
  })
  let lastError: Error | undefined
  redis.on('error', (error: Error) => (lastError = error))
  try {
    await redis.connect()
    return judgeRedis(await redis.info())
  } catch (error) {
    if (isRefused(error) || isRefused(lastError))
      return { refusal: 'Redis refuses the user or password of REDIS_URL: correct it.', doubt: null }
    const why =
      error instanceof Error && error.message.startsWith('NOPERM')
        ? 'does not let this user ask INFO'
        : 'does not answer'
    return {
      refusal: null,
      doubt: `Redis ${why}, so its eviction policy could not be checked: it must be noeviction.`,
    }
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
