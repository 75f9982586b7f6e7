import { isUnavailable, withoutParameters } from '@stockpile/db/connection'
import { storageRefusal, storageTrouble } from '@stockpile/db/storage-trouble'
import type { StorageTrouble } from '@stockpile/db/storage-trouble'
import { tick } from '@stockpile/time/wait'
import type { Logger } from 'pino'
import type { StorageHealth } from '../quota/storage-health.js'

/** An answer could not be stored in the time of a statement although other rows could: the answer itself is too slow. */
export class StorageTimeoutError extends Error {
  override readonly name = 'StorageTimeoutError'
  readonly trouble: StorageTrouble

  constructor(trouble: StorageTrouble) {
    super(trouble.detail)
    this.trouble = trouble
  }
}

/** Delays between tries; the last is repeated. Shorter than a claim lasts, or the mark that tells the other workers. */
const DELAYS_MS = [500, 2_000, 5_000]
/** A lock on the rows of one symbol is waited for this long; then the attempt fails, so that people hear of the lock. */
const OWN_LOCK_MS = 5 * 60_000

/**
 * Writes what a request brought, its rows or its failure, and tries again until PostgreSQL has it, however long that
 * takes. The second failure closes `storage`, so that nothing further is sent; the first success opens it.
 * @param options.onLocked called while somebody holds a lock on what is to be written, although other rows can be
 *   stored; a sentence says who
 * @throws StorageTimeoutError for an answer that can never be written in time; PostgreSQL's error when PostgreSQL refuses
 *   this answer alone; the reason of `signal` when the signal aborts first
 */
export async function keepUntilStored<T>(
  storage: StorageHealth,
  write: () => Promise<T>,
  options: { signal: AbortSignal; log: Logger; onLocked?: (reason: string) => Promise<void> },
): Promise<T> {
  const { signal, log, onLocked } = options
  const since = performance.now()
  let failures = 0
  /** Failures in a row after each of which another row could be stored. */
  let ownFailures = 0
  let endKeeping = () => {}
  try {
    for (;;) {
      try {
        const result = await write()
        await storage.openIfStorable()
        return result
      } catch (error) {
        const isAway = isUnavailable(error)
        const trouble = storageTrouble(error) ?? (isAway ? null : storageRefusal(error))
        if (trouble === null && !isAway) throw error
        const isOwn = trouble !== null && mayBeOwn(trouble) && (await storage.canStore())
        ownFailures = isOwn ? ownFailures + 1 : 0
        // A single failure proves nothing: storage may have recovered between this try and the row that could be stored.
        if (ownFailures > 1 && !isAway) throw error
        failures += 1
        if (failures === 1) endKeeping = storage.countKept()
        const waitMs = DELAYS_MS[Math.min(failures, DELAYS_MS.length) - 1] ?? 0
        log[failures === 1 ? 'warn' : 'debug'](
          { err: withoutParameters(error), waitMs },
          'cannot store what was fetched; it is kept and tried again',
        )
        const isGivenUp = trouble?.class === 'too_slow' || performance.now() - since > OWN_LOCK_MS
        if (trouble !== null && ownFailures > 1 && isGivenUp)
          throw new StorageTimeoutError(await storage.explain(trouble))
        // While PostgreSQL is away no slot can be reserved either, so only its refusals close. Where the trouble could be the
        // answer's own, the other row that could not be stored counts as the second failure.
        if (trouble !== null && !isOwn && (failures > 1 || mayBeOwn(trouble)))
          storage.close(await storage.explain(trouble))
        if (isOwn && trouble.class === 'locked')
          await tellLocked(await storage.explain(trouble), log, onLocked)
        await tick(waitMs, signal)
        if (signal.aborted)
          log.warn('what was fetched could not be stored and is given up: its request is lost')
        signal.throwIfAborted()
      }
    }
  } finally {
    endKeeping()
  }
}

/** Tells who holds the lock; when that fails, the next try tells again. */
async function tellLocked(
  { detail }: StorageTrouble,
  log: Logger,
  onLocked: ((reason: string) => Promise<void>) | undefined,
): Promise<void> {
  await onLocked?.(detail).catch((error: unknown) =>
    log.debug({ err: withoutParameters(error) }, 'cannot note what an item waits for'),
  )
}

/** Whether the trouble may concern one symbol alone: a lock on its rows, a statement too slow or refused for its rows. */
function mayBeOwn({ class: of }: StorageTrouble): boolean {
  return of === 'locked' || of === 'too_slow' || of === 'refused'
}
