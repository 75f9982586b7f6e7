import type { Pool } from '@stockpile/db/connection'
import type { IngestQueue } from '@stockpile/queue/queue'
import type { HeavyStatements } from './http/heavy-statements.js'

/** What routes work with. Whoever opened the pools and `queue` closes them, after the app. */
export interface Dependencies {
  db: Pool
  /** For pages and small statistics alone: neither an export, a run nor a heavy statement holds them up. */
  dataDb: Pool
  heavy: HeavyStatements
  queue: IngestQueue
}
