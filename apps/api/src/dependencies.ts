import type { Pool } from '@stockpile/db/connection'
import type { IngestQueue } from '@stockpile/queue/queue'
import type { Dispatch } from './dispatch.js'

/** What routes work with. Whoever opened the pools and `queue` closes them, after the app. */
export interface Dependencies {
  db: Pool
  /** For pages and statistics alone: neither an export nor a run holds them up. */
  dataDb: Pool
  queue: IngestQueue
  dispatch: Dispatch
}
