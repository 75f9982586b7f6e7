import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { withoutParameters } from '@stockpile/db/connection'
import type { Connection } from '@stockpile/db/connection'
import { noteWorker, removeWorker } from '@stockpile/db/workers'
import type { WorkerSelf } from '@stockpile/db/workers'
import type { QueueProblem } from '@stockpile/domain/cause'
import type { Wait } from '@stockpile/domain/waiting'
import { tick } from '@stockpile/time/wait'
import type { Logger } from 'pino'
import * as z from 'zod'
import { fingerprintOf, MissingKeyError } from '../quota/api-key.js'

const INTERVAL_MS = 5_000
/** Shorter after a failure: once PostgreSQL is back, a worker that lives should not be taken for lost any longer. */
const RETRY_MS = 1_000

export interface PresenceDependencies {
  db: Connection['db']
  self: Pick<WorkerSelf, 'plan' | 'limits' | 'concurrency' | 'queue'>
  /** Why this worker's queue gives or takes no jobs; null while it does both. */
  queueProblem: () => QueueProblem | null
  apiKey: () => Promise<string>
  /** What keeps this worker from taking items; null while nothing does. */
  waiting: () => Wait | null
  logger: Logger
}

/** This worker's row in PostgreSQL, by which other programs see that this worker lives and what it waits for. */
export interface Presence {
  /** Writes the row. Logs, and does not throw, when PostgreSQL is away. */
  write(): Promise<void>
  /**
   * Writes the row every 5 s until `signal` aborts; then deletes the row. The row of a process that is killed, frozen or
   * stuck gets old, and the worker counts as lost.
   */
  keep(signal: AbortSignal): Promise<void>
}

export async function createPresence({
  db,
  self,
  queueProblem,
  apiKey,
  waiting,
  logger,
}: PresenceDependencies): Promise<Presence> {
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
        waiting: causeOf(wait),
      })
      if (!isWritten) logger.info('this worker says again that it lives')
      isWritten = true
    } catch (error) {
      if (isWritten) logger.warn({ err: withoutParameters(error) }, 'cannot say that this worker lives')
      isWritten = false
    }
  }

  async function keep(signal: AbortSignal): Promise<void> {
    while (await tick(isWritten ? INTERVAL_MS : RETRY_MS, signal)) await write()
    await removeWorker(db, id).catch((error: unknown) =>
      logger.warn({ err: withoutParameters(error) }, 'cannot say that this worker stops'),
    )
  }

  return { write, keep }
}

/** The wait as a cause; null for the spacing within a second, which has no cause and is part of normal work. */
function causeOf(wait: Pick<Wait, 'for' | 'reason' | 'ms'> | null): WorkerSelf['waiting'] {
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
