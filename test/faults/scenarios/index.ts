import type { Scenario } from './scenario.js'
import { apiKilledBeforeEnqueue } from './processes/api-killed-before-enqueue.js'
import { clockJumps } from './clients-and-clocks/clock-jumps.js'
import { coldStarts } from './processes/cold-starts.js'
import { connectionsExhausted } from './postgres/connections-exhausted.js'
import { diskFull } from './postgres/disk-full.js'
import { queueDiskFull } from './queue/queue-disk-full.js'
import { readOnly } from './postgres/read-only.js'
import { storingTooSlow } from './postgres/storing-too-slow.js'
import { rowsLocked } from './postgres/rows-locked.js'
import { jobOfOtherVersion } from './processes/job-of-other-version.js'
import { keyRotated } from './provider/key-rotated.js'
import { largePosts } from './clients-and-clocks/large-posts.js'
import { logUnread } from './processes/log-unread.js'
import { migrationsAtOnce } from './postgres/migrations-at-once.js'
import { plansMixed } from './processes/plans-mixed.js'
import { poison } from './processes/poison.js'
import { postgresDown } from './postgres/postgres-down.js'
import { postgresSlow } from './postgres/postgres-slow.js'
import { queueEmptied } from './queue/queue-emptied.js'
import { queueFrozen } from './queue/queue-frozen.js'
import { redisDownAtBoot } from './queue/redis-down-at-boot.js'
import { redisDownAtPost } from './queue/redis-down-at-post.js'
import { redisFull } from './queue/redis-full.js'
import { redisKilled } from './queue/redis-killed.js'
import { repeatedPosts } from './clients-and-clocks/repeated-posts.js'
import { schemaNewer } from './postgres/schema-newer.js'
import { tenThousandWithoutRedis } from './queue/ten-thousand-without-redis.js'
import { transactionBroken } from './postgres/transaction-broken.js'
import { walDiskFull } from './postgres/wal-disk-full.js'
import { PROVIDER_SCENARIOS } from './provider/index.js'
import { workerFrozen } from './processes/worker-frozen.js'
import { workerGone } from './processes/worker-gone.js'
import { workerKilledAfterCommit } from './processes/worker-killed-after-commit.js'
import { workerKilledInWrite } from './processes/worker-killed-in-write.js'
import { workerStoppedOften } from './processes/worker-stopped-often.js'

/** The matrix, in its order. */
export const SCENARIOS: readonly Scenario[] = [
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
  ...PROVIDER_SCENARIOS,
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
