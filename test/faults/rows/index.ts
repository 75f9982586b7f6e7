import type { Row } from '../row.js'
import { queueEmptied } from './queue-emptied.js'
import { redisDownAtPost } from './redis-down-at-post.js'
import { workerKilledInWrite } from './worker-killed-in-write.js'

/** The matrix, in its order. */
export const ROWS: readonly Row[] = [workerKilledInWrite, queueEmptied, redisDownAtPost].toSorted(
  (a, b) => a.number - b.number,
)
