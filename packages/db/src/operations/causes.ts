import type { Cause, ProviderStatus } from '@stockpile/domain/cause'
import type { TransportClass } from '@stockpile/domain/refusal'
import type { Database } from '../database/connection.js'
import { readSituation } from './situation.js'
import type { Situation } from './situation.js'
import { DAY_SPENT } from './workers.js'
import type { Worker, WorkerWait } from './workers.js'

export const KEY_ADVICE =
  'Set a valid key of your own: work goes on by itself once it is in the file of ALPHAVANTAGE_API_KEY_FILE; with ALPHAVANTAGE_API_KEY, start the worker again.'
const NO_WORKER_ADVICE =
  'Start a worker; one that should be there says at the end of its log why it is not. Work goes on by itself once one lives.'
const LOST_WORKER_ADVICE =
  'It was killed, is frozen or cannot reach the database: look at the end of its log, and start it again. Work goes on by itself once a worker lives.'
const QUEUE_DOWN_ADVICE =
  'Look whether the Redis of REDIS_URL, or without one the database, is up and not full; work then goes on by itself.'
const QUEUE_FULL_ADVICE =
  'Make room in the memory or on the disk of the Redis of REDIS_URL, or point it to one that takes writes; work then goes on by itself.'
const QUOTA_ADVICE = 'Nothing: work goes on by itself. A larger plan, set as ALPHAVANTAGE_PLAN, waits less.'
const UNREACHABLE_ADVICE =
  'Check the network, the names and the proxy of the machine of the workers, and ALPHAVANTAGE_BASE_URL. One request at a time finds out when the provider answers again; work then goes on by itself.'
const FAILING_ADVICE =
  'Nothing: the provider fails. One request at a time finds out when it answers again; work then goes on by itself.'

const INTERCEPTED_ADVICE =
  'Something in between seems to answer in place of the provider: check the proxy and the login page of the network of the workers, and ALPHAVANTAGE_BASE_URL. One request at a time finds out when the provider answers again; work then goes on by itself.'

/** Classes of an outage whose answers were none that the provider gives. */
const INTERCEPTED: ReadonlySet<string> = new Set<TransportClass>(['http_rejected', 'redirect', 'bad_payload'])

/** Classes of an outage in which no answer came at all. */
const UNHEARD: ReadonlySet<string> = new Set<TransportClass>(['network', 'timeout'])

/** Reads everything that lets nothing be sent at the moment, in the order of `causesOf`. */
export async function readCauses(db: Database): Promise<Cause[]> {
  return causesOf(await readSituation(db))
}

/**
 * Tells everything that lets nothing be sent, in the order in which a person has to act. Without a worker nothing else is
 * looked at. Then come the storage, since nothing may be asked for that cannot be stored; the queue, without which no worker
 * takes an item; the key; the provider; and the quota, where work goes on by itself. What stops some workers while others
 * go on is no cause.
 */
export function causesOf(situation: Situation): Cause[] {
  const { living, storage, outage, blocked, lastSeenAt } = situation
  // A read-only database lets no worker say that it lives, so that the rows of workers tell nothing.
  const isUntold = storage?.class === 'read_only'
  const causes: Cause[] = []
  if (living.length === 0 && !isUntold) causes.push(withoutWorker(situation))
  if (storage !== null)
    causes.push({
      for: 'storage',
      class: storage.class,
      // A trouble that could not be noted is as old as the last write of a worker.
      since: storage.since ?? lastSeenAt,
      detail: storage.detail,
      advice: storage.advice,
      until: null,
    })
  const waits = living.length === 0 ? [situation.last.key ?? situation.last.quota] : living.map(stopOf)
  const stops = waits.filter((wait) => wait !== null)
  const [queue] = living.flatMap(({ queueWait }) => queueWait ?? []).toSorted(byBegin)
  const isStopped =
    living.length === 0
      ? stops.length > 0
      : living.every((worker) => worker.queueWait !== null || stopOf(worker) !== null)
  const goesOn = living.some((worker) => worker.queueWait === null && stopOf(worker)?.for === 'quota')
  if (isStopped && !goesOn && queue !== undefined) causes.push(causeOf(queue, queueAdvice(queue)))
  const [spent] = stops.filter((wait) => wait.for === 'quota').toSorted(byEnd)
  const [key] = stops.filter((wait) => wait.for === 'key').toSorted(byEnd)
  // A worker that waits for the quota goes on by itself, even when the others have no key.
  if (isStopped && spent === undefined && key !== undefined) causes.push(causeOf(key, KEY_ADVICE))
  // While no worker lives, no probe finds out whether the outage is over.
  if (outage !== null && living.length > 0)
    causes.push({
      for: 'provider',
      ...outage,
      detail: `The provider does not answer: ${outage.detail}`,
      advice: adviceOnOutage(outage),
    })
  if (blocked !== null) causes.push({ for: 'quota', ...blocked, advice: QUOTA_ADVICE })
  else if (isStopped && spent !== undefined) causes.push(causeOf(spent, QUOTA_ADVICE))
  return causes
}

/** What a person should do about a queue that gives or takes no jobs. */
export function queueAdvice(problem: { class: string }): string {
  return problem.class === 'queue_refuses_jobs' ? QUEUE_FULL_ADVICE : QUEUE_DOWN_ADVICE
}

/** Whether the provider can be asked, judged by the causes; unknown while no worker lives that would ask. */
export function providerStatus(causes: readonly Cause[]): ProviderStatus {
  const byCause = (what: Cause['for']) => causes.find((cause) => cause.for === what)
  if (byCause('key') !== undefined) return 'waiting_key'
  const outage = byCause('provider')
  if (outage !== undefined) return isUnheard(outage) ? 'unreachable' : 'failing'
  if (byCause('quota') !== undefined) return 'waiting_quota'
  return byCause('worker') === undefined ? 'up' : 'unknown'
}

/** Whether no answer of the provider came at all, rather than errors. */
function isUnheard(cause: { class: string }): boolean {
  return UNHEARD.has(cause.class)
}

function adviceOnOutage(outage: { class: string }): string {
  if (isUnheard(outage)) return UNREACHABLE_ADVICE
  return INTERCEPTED.has(outage.class) ? INTERCEPTED_ADVICE : FAILING_ADVICE
}

function withoutWorker({ lastSeenAt, wasStopped }: Situation): Cause {
  const common = { for: 'worker', since: lastSeenAt, until: null } as const
  if (lastSeenAt === null)
    return {
      ...common,
      class: 'no_worker',
      detail: 'No worker has ever started.',
      advice: NO_WORKER_ADVICE,
    }
  if (wasStopped)
    return {
      ...common,
      class: 'no_worker',
      detail: `No worker lives: the last stopped at ${lastSeenAt}.`,
      advice: NO_WORKER_ADVICE,
    }
  return {
    ...common,
    class: 'worker_lost',
    detail: `No worker lives: the last was seen at ${lastSeenAt}.`,
    advice: LOST_WORKER_ADVICE,
  }
}

/** The wait that stops one worker alone: for its key, or for its day. Other waits are common to all workers. */
function stopOf({ waiting }: Pick<Worker, 'waiting'>): WorkerWait | null {
  if (waiting === null) return null
  return waiting.for === 'key' || waiting.class === DAY_SPENT ? waiting : null
}

/** Orders waits by their end; a wait whose end nobody can say comes last. */
function byEnd(one: WorkerWait, other: WorkerWait): number {
  return endOf(one) - endOf(other)
}

function byBegin(one: WorkerWait, other: WorkerWait): number {
  return (one.since ?? '').localeCompare(other.since ?? '')
}

function endOf({ until }: WorkerWait): number {
  return until === null ? Number.MAX_SAFE_INTEGER : Date.parse(until)
}

function causeOf(wait: WorkerWait, advice: string): Cause {
  const { reason: detail, ...rest } = wait
  return { ...rest, detail, advice }
}
