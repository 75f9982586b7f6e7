import { tick } from '@stockpile/time/wait'
import { writeFile } from 'node:fs/promises'
import { ping } from '@stockpile/db/connection'
import type { Connection } from '@stockpile/db/connection'
import { pingQueue } from '@stockpile/queue/health'
import type { IngestQueue } from '@stockpile/queue/queue'
import type { Logger } from 'pino'

const INTERVAL_MS = 5_000
const QUEUE_DEADLINE_MS = 5_000

/**
 * Writes the file every 5 s until `signal` aborts, as long as PostgreSQL and the queue answer and this process is not stuck,
 * so that a health check needs only the file's age.
 */
export async function runHeartbeat(
  { file, db, queue, logger }: { file: string; db: Connection['db']; queue: IngestQueue; logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  let beats = true
  do {
    try {
      await Promise.all([ping(db), pingQueue(queue, QUEUE_DEADLINE_MS)])
      await writeFile(file, new Date().toISOString())
      if (!beats) logger.info('the heartbeat is back')
      beats = true
    } catch (error) {
      if (beats) logger.warn({ err: error }, 'no heartbeat: PostgreSQL or the queue does not answer')
      beats = false
    }
  } while (await tick(INTERVAL_MS, signal))
}
