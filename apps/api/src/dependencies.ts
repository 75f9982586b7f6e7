import type { Pool } from '@stockpile/db/connection'
import type { IngestQueue } from '@stockpile/queue/queue'
import type { HeavyStatements } from './http/heavy-statements.js'

/** What routes work with. The code that opened the pools and the queue closes them, after the app. */
export interface Dependencies {
  db: Pool
  /** For pages and small statistics alone, so that exports, runs and heavy statements never delay them. */
  dataDb: Pool
  heavy: HeavyStatements
  queue: IngestQueue
}
