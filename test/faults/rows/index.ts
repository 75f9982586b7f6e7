import type { Row } from '../row.js'
import { apiKilledBeforeEnqueue } from './api-killed-before-enqueue.js'
import { clockJumps } from './clock-jumps.js'
import { coldStarts } from './cold-starts.js'
import { connectionsExhausted } from './connections-exhausted.js'
import { diskFull } from './disk-full.js'
import { queueDiskFull } from './queue-disk-full.js'
import { readOnly } from './read-only.js'
import { storingTooSlow } from './storing-too-slow.js'
import { rowsLocked } from './rows-locked.js'
import { jobOfOtherVersion } from './job-of-other-version.js'
import { keyRotated } from './key-rotated.js'
import { largePosts } from './large-posts.js'
import { logUnread } from './log-unread.js'
import { migrationsAtOnce } from './migrations-at-once.js'
import { plansMixed } from './plans-mixed.js'
import { poison } from './poison.js'
import { postgresDown } from './postgres-down.js'
import { postgresSlow } from './postgres-slow.js'
import { queueEmptied } from './queue-emptied.js'
import { queueFrozen } from './queue-frozen.js'
import { redisDownAtBoot } from './redis-down-at-boot.js'
import { redisDownAtPost } from './redis-down-at-post.js'
import { redisFull } from './redis-full.js'
import { redisKilled } from './redis-killed.js'
import { repeatedPosts } from './repeated-posts.js'
import { schemaNewer } from './schema-newer.js'
import { tenThousandWithoutRedis } from './ten-thousand-without-redis.js'
import { transactionBroken } from './transaction-broken.js'
import { walDiskFull } from './wal-disk-full.js'
import { UPSTREAM_ROWS } from './upstream.js'
import { workerFrozen } from './worker-frozen.js'
import { workerGone } from './worker-gone.js'
import { workerKilledAfterCommit } from './worker-killed-after-commit.js'
import { workerKilledInWrite } from './worker-killed-in-write.js'
import { workerStoppedOften } from './worker-stopped-often.js'

/** The matrix, in its order. */
export const ROWS: readonly Row[] = [
  workerKilledInWrite,
  workerKilledAfterCommit,
  poison,
  workerFrozen,
  workerGone,
  plansMixed,
  workerStoppedOften,
  apiKilledBeforeEnqueue,
  redisKilled,
  queueEmptied,
  redisDownAtPost,
  tenThousandWithoutRedis,
  redisDownAtBoot,
  queueFrozen,
  redisFull,
  postgresDown,
  connectionsExhausted,
  transactionBroken,
  postgresSlow,
  keyRotated,
  repeatedPosts,
  largePosts,
  migrationsAtOnce,
  jobOfOtherVersion,
  schemaNewer,
  ...UPSTREAM_ROWS,
  logUnread,
  diskFull,
  queueDiskFull,
  readOnly,
  storingTooSlow,
  rowsLocked,
  walDiskFull,
  clockJumps,
  coldStarts,
].toSorted((a, b) => a.number - b.number)
