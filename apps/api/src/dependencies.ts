import type { Pool } from '@stockpile/db/connection'
import type { IngestQueue } from '@stockpile/queue/queue'
import type { Dispatch } from './dispatch.js'

/** What routes work with. Whoever opened `db` and `queue` closes them, after the app. */
export interface Dependencies {
  db: Pool
  queue: IngestQueue
  dispatch: Dispatch
}
