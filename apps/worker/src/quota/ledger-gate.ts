import type { Connection } from '@stockpile/db/connection'
import type { Wait } from '@stockpile/domain/waiting'
import { readGate } from '@stockpile/db/ledger'
import type { ClosedGate } from '@stockpile/db/ledger'
import type { Limit } from '@stockpile/domain/limit'
import { fingerprintOf, MissingKeyError } from './api-key.js'
import type { ByTheClock } from './database-clock.js'
import { EARLY_MS } from './gate.js'
import { waitOf } from './quota-wait.js'
import type { StorageHealth } from './storage-health.js'

interface Dependencies {
  db: Connection['db']
  apiKey: () => Promise<string>
  limits: readonly Limit[]
  storage: StorageHealth
  byTheClock: ByTheClock
}

/** How soon a worker whose key is missing looks for the key again. */
const KEY_RECHECK_MS = 5_000

/** Asks why no request may be sent, without reserving a slot. */
export class LedgerGate {
  readonly #dependencies: Dependencies

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies
  }

  /** Why no request of this worker may be sent now, whatever it asks for; null when one may. */
  async ask(): Promise<Wait | null> {
    const unstorable = await this.#dependencies.storage.ask()
    if (unstorable !== null) return unstorable
    const key = await this.readKey()
    if (typeof key !== 'string') return key
    const closed = await this.#read(fingerprintOf(key))
    return closed === null ? null : waitOf(closed)
  }

  /** The key, or why the worker waits for one. */
  async readKey(): Promise<string | Wait> {
    try {
      return await this.#dependencies.apiKey()
    } catch (error) {
      if (!(error instanceof MissingKeyError)) throw error
      return { for: 'key', reason: `${error.message}.`, ms: KEY_RECHECK_MS, refused: false }
    }
  }

  /** Looks whether the database's clock was set. Needs no key: every answer of the ledger tells the clock. */
  async watchClock(): Promise<void> {
    await this.#read('')
  }

  async #read(fingerprint: string): Promise<ClosedGate | null> {
    const { db, limits, storage, byTheClock } = this.#dependencies
    const read = () => readGate(db, { limits, fingerprint, aheadMs: EARLY_MS })
    const { closed } = await byTheClock(read, () => Promise.resolve())
    if (closed?.reason === 'storage') storage.doubt()
    return closed
  }
}
