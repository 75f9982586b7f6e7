import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { withoutParameters } from '@stockpile/db/connection'
import type { Connection } from '@stockpile/db/connection'
import type { Wait } from '@stockpile/domain/run'
import { noteWorker, removeWorker } from '@stockpile/db/workers'
import type { WorkerSelf } from '@stockpile/db/workers'
import type { QueueProblem } from '@stockpile/domain/cause'
import type { Logger } from 'pino'
import * as z from 'zod'
import { tick } from '@stockpile/time/wait'
import { fingerprintOf, MissingKeyError } from '../quota/api-key.js'

const INTERVAL_MS = 5_000
/** After a failure: PostgreSQL back, nobody should be taken for lost longer than need be. */
const RETRY_MS = 1_000

export interface PresenceDependencies {
  db: Connection['db']
  self: Pick<WorkerSelf, 'plan' | 'limits' | 'concurrency' | 'queue'>
  /** Why its queue gives or takes no jobs; null while it does both. */
  queueProblem: () => QueueProblem | null
  apiKey: () => Promise<string>
  /** What keeps this worker from taking items; null while nothing does. */
  waiting: () => Wait | null
  logger: Logger
}

/**
 * Writes this worker's row at once and then every 5 s until `signal` aborts; then deletes it. A process that is killed,
 * frozen or stuck does not, and is taken for lost.
 * @returns once the row was tried to be written, `present`: settles once it is deleted
 */
export async function keepPresent(
  { db, self, queueProblem, apiKey, waiting, logger }: PresenceDependencies,
  signal: AbortSignal,
): Promise<{ present: Promise<void> }> {
  const id = randomUUID()
  const name = `${hostname()}:${process.pid}`
  const startedAt = performance.now()
  const version = await readVersion()
  let isWritten = true

  async function write(): Promise<void> {
    const key = await keyState(apiKey)
    const wait = key.keyProblem === null ? waiting() : { for: 'key' as const, reason: key.keyProblem, ms: 0 }
    const startedMsAgo = performance.now() - startedAt
    try {
      await noteWorker(db, {
        id,
        name,
        version,
        ...self,
        ...key,
        queueProblem: queueProblem(),
        startedMsAgo,
        waiting: named(wait),
      })
      if (!isWritten) logger.info('this worker says again that it lives')
      isWritten = true
    } catch (error) {
      if (isWritten) logger.warn({ err: withoutParameters(error) }, 'cannot say that this worker lives')
      isWritten = false
    }
  }

  async function stayPresent(): Promise<void> {
    while (await tick(isWritten ? INTERVAL_MS : RETRY_MS, signal)) await write()
    await removeWorker(db, id).catch((error: unknown) =>
      logger.warn({ err: withoutParameters(error) }, 'cannot say that this worker stops'),
    )
  }

  await write()
  return { present: stayPresent() }
}

/** The spacing within a second is how work goes on, and no wait. */
function named(wait: Pick<Wait, 'for' | 'reason' | 'ms'> | null): WorkerSelf['waiting'] {
  return wait === null || wait.for === null ? null : { for: wait.for, reason: wait.reason, ms: wait.ms }
}

async function keyState(
  apiKey: () => Promise<string>,
): Promise<Pick<WorkerSelf, 'keyFingerprint' | 'keyProblem'>> {
  try {
    return { keyFingerprint: fingerprintOf(await apiKey()), keyProblem: null }
  } catch (error) {
    if (!(error instanceof MissingKeyError)) throw error
    return { keyFingerprint: null, keyProblem: `There is no API key: ${error.message}.` }
  }
}

async function readVersion(): Promise<string> {
  const manifest: unknown = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
  return z.object({ version: z.string() }).parse(manifest).version
}
