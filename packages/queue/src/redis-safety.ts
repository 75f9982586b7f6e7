import { Redis } from 'ioredis'
import type { Backend } from './backend.js'

/** Says that a Redis would lose or refuse jobs, and what to set there. */
export class UnsafeRedisError extends Error {
  override readonly name = 'UnsafeRedisError'
}

const DEADLINE_MS = 5_000
const SET_POLICY =
  'Set `maxmemory-policy noeviction` in its configuration (docker compose: `redis-server --maxmemory-policy noeviction`), or for now `redis-cli config set maxmemory-policy noeviction`.'

/**
 * Judges a Redis by its answer to INFO. An eviction would silently lose jobs and leave BullMQ's other keys inconsistent, so
 * it rules the Redis out. Without an append-only file a crash loses the queued jobs; the dispatcher adds them again from
 * PostgreSQL, so that is only a doubt.
 * @returns a sentence on what rules the Redis out, and one on what is only a doubt; each null when there is nothing to say
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
 * Checks a Redis before the queue uses it. A Redis that does not answer passes with a doubt: nothing needs Redis at the
 * start, and `watchSafety` checks every later connection. A queue in PostgreSQL is always safe.
 * @param onDoubt called with a sentence on what should be better, though the queue works
 * @throws UnsafeRedisError when the Redis would lose jobs, or refuses the user or password
 */
export async function assertSafe(backend: Backend, onDoubt: (doubt: string) => void): Promise<void> {
  if (backend.kind !== 'redis') return
  const { refusal, doubt } = await lookAt(backend.url)
  if (refusal !== null) throw new UnsafeRedisError(refusal)
  if (doubt !== null) onDoubt(doubt)
}

/**
 * Checks the Redis behind a new connection, since Redis may have been away at the start, or another Redis may have taken its
 * place. Work goes on in an unsafe Redis, since it holds jobs already, but a person has to know.
 * @returns once the check is over; never rejects
 */
export async function watchSafety(
  backend: Backend,
  onUnsafe: (error: UnsafeRedisError) => void,
): Promise<void> {
  if (backend.kind !== 'redis') return
  const { refusal } = await lookAt(backend.url)
  if (refusal !== null) onUnsafe(new UnsafeRedisError(refusal))
}

/** Asks and judges a Redis over a connection of its own, since the queue's connection may be blocked. */
async function lookAt(url: string): Promise<ReturnType<typeof judgeRedis>> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: DEADLINE_MS,
    commandTimeout: DEADLINE_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    // The ready check of ioredis sends INFO: a Redis whose user may not send INFO would seem to be away.
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
