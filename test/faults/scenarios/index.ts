import { clockJumps } from './clients-and-clocks/clock-jumps.js'
import { clockWrong } from './clients-and-clocks/clock-wrong.js'
import { largePosts } from './clients-and-clocks/large-posts.js'
import { repeatedPosts } from './clients-and-clocks/repeated-posts.js'
import { connectionsExhausted } from './postgres/connections-exhausted.js'
import { diskFull } from './postgres/disk-full.js'
import { migrationsAtOnce } from './postgres/migrations-at-once.js'
import { postgresDown } from './postgres/postgres-down.js'
import { postgresSlow } from './postgres/postgres-slow.js'
import { readOnly } from './postgres/read-only.js'
import { rowsLocked } from './postgres/rows-locked.js'
import { schemaNewer } from './postgres/schema-newer.js'
import { storingTooSlow } from './postgres/storing-too-slow.js'
import { transactionBroken } from './postgres/transaction-broken.js'
import { walDiskFull } from './postgres/wal-disk-full.js'
import { apiKilledBeforeEnqueue } from './processes/api-killed-before-enqueue.js'
import { coldStarts } from './processes/cold-starts.js'
import { jobOfOtherVersion } from './processes/job-of-other-version.js'
import { logUnread } from './processes/log-unread.js'
import { plansMixed } from './processes/plans-mixed.js'
import { poison } from './processes/poison.js'
import { workerFrozen } from './processes/worker-frozen.js'
import { workerGone } from './processes/worker-gone.js'
import { workerKilledAfterCommit } from './processes/worker-killed-after-commit.js'
import { workerKilledInWrite } from './processes/worker-killed-in-write.js'
import { workerStoppedOften } from './processes/worker-stopped-often.js'
import { daySpentTold, keyInvalidTold } from './provider/causes-told.js'
import { keyInvalid } from './provider/key-invalid.js'
import { keyRotated } from './provider/key-rotated.js'
import { rowsDefective } from './provider/rows-defective.js'
import { symbolUnknown } from './provider/symbol-unknown.js'
import { upstreamCut } from './provider/upstream-cut.js'
import { upstreamDaySpent } from './provider/upstream-day-spent.js'
import { upstreamFailing } from './provider/upstream-failing.js'
import { upstreamGarbled } from './provider/upstream-garbled.js'
import { upstreamHuge } from './provider/upstream-huge.js'
import { upstreamLimits } from './provider/upstream-limits.js'
import { upstreamNonsense } from './provider/upstream-nonsense.js'
import { upstreamOutage } from './provider/upstream-outage.js'
import { upstreamRedirects } from './provider/upstream-redirects.js'
import { upstreamSlow } from './provider/upstream-slow.js'
import { upstreamThrottled } from './provider/upstream-throttled.js'
import { upstreamUnreachable } from './provider/upstream-unreachable.js'
import { queueDiskFull } from './queue/queue-disk-full.js'
import { queueEmptied } from './queue/queue-emptied.js'
import { queueFrozen } from './queue/queue-frozen.js'
import { redisDownAtBoot } from './queue/redis-down-at-boot.js'
import { redisDownAtPost } from './queue/redis-down-at-post.js'
import { redisFull } from './queue/redis-full.js'
import { redisKilled } from './queue/redis-killed.js'
import { tenThousandWithoutRedis } from './queue/ten-thousand-without-redis.js'
import type { Scenario } from './scenario.js'

/** All scenarios, in the order of their numbers. */
export const SCENARIOS: readonly Scenario[] = [
  workerKilledInWrite,
  workerKilledAfterCommit,
  poison,
  workerFrozen,
  workerStoppedOften,
  apiKilledBeforeEnqueue,
  jobOfOtherVersion,
  logUnread,
  workerGone,
  plansMixed,
  coldStarts,
  redisKilled,
  queueEmptied,
  redisDownAtPost,
  tenThousandWithoutRedis,
  redisDownAtBoot,
  queueFrozen,
  redisFull,
  queueDiskFull,
  postgresDown,
  connectionsExhausted,
  transactionBroken,
  postgresSlow,
  migrationsAtOnce,
  schemaNewer,
  diskFull,
  readOnly,
  storingTooSlow,
  rowsLocked,
  walDiskFull,
  upstreamFailing,
  upstreamSlow,
  upstreamCut,
  upstreamGarbled,
  upstreamHuge,
  upstreamThrottled,
  upstreamLimits,
  upstreamDaySpent,
  daySpentTold,
  keyInvalid,
  keyInvalidTold,
  symbolUnknown,
  upstreamNonsense,
  upstreamRedirects,
  keyRotated,
  rowsDefective,
  upstreamUnreachable,
  upstreamOutage,
  clockWrong,
  repeatedPosts,
  largePosts,
  clockJumps,
].toSorted((a, b) => a.number - b.number)
