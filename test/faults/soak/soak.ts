import { setTimeout as sleep } from 'node:timers/promises'
import { DISTURBANCES } from '../disturbances/disturbances.js'
import type { Environment } from '../environment/environment.js'
import { randomFrom } from '../environment/random.js'
import type { Random } from '../environment/random.js'
import { symbols } from '../environment/symbols.js'
import { brokenInvariants } from '../invariants/invariants.js'
import { countRequests, wasteOf } from '../invariants/waste.js'
import type { Days } from './days.js'

const SYMBOLS = symbols(300)
/** The soak reaches each of these limits, that of a day every ten minutes or so, since `passDays` shortens the days. */
export const LIMITS = { perSecond: 5, perMinute: 100, perDay: 400 }
/** More than the longest backoff, a pause of a minute and a backlog of some minutes take together. */
const DRAIN_DEADLINE_MS = 900_000
/** The share of items that may fail: five attempts in vain are rare when every fault ends within seconds. */
const MOST_FAILED = 0.01
/** How long a cause may still be told after its end. */
const STILL_TOLD_MS = 30_000
/** The most that requests sent ÷ requests needed may be (I8). */
const MOST_WASTE = 1.05

/**
 * Disturbs a system at random while symbols are asked for, waits for the end of everything accepted, and prints what happened.
 * @returns one sentence for each thing that does not hold
 */
export async function soak(
  environment: Environment,
  days: Days,
  { seed, durationMs, signal }: { seed: number; durationMs: number; signal: AbortSignal },
): Promise<string[]> {
  const { backend, simulator, sql, http, causes, drained } = environment
  const possible = DISTURBANCES.filter((disturbance) => backend === 'redis' || disturbance.redisOnly !== true)
  const startedAt = performance.now()
  const elapsedMs = () => performance.now() - startedAt
  const say = (what: string) => console.log(`${(elapsedMs() / 1_000).toFixed(1).padStart(7)} s  ${what}`)
  say(`seed ${seed}, queue on ${backend}, ${durationMs / 60_000} minutes`)
  const complaints: string[] = []
  let refused = 0
  const done = new Map<string, number>()
  for (let turn = 1; elapsedMs() < durationMs && !signal.aborted; turn += 1) {
    const random = randomOf(seed, turn, 0)
    const asked = random.shuffled(SYMBOLS).slice(0, random.between(1, 15))
    // Two at a time now and then, so that one fault strikes while the system recovers from another.
    const disturbances = random.shuffled(possible).slice(0, random.between(1, 2))
    const force = random.between(1, 3) === 1
    const restMs = random.between(100, 2_000)
    say(`${disturbances.map((disturbance) => disturbance.name).join(', and ')}; ${asked.length} symbols`)
    const [posted, ...ended] = await Promise.allSettled([
      http.ingest(asked, { force }),
      ...disturbances.map((disturbance, index) =>
        disturbance.disturb({ ...environment, random: randomOf(seed, turn, index + 1) }),
      ),
    ])
    // A POST may fail while the API or its database is down: then nothing was accepted.
    if (posted.status === 'rejected') {
      refused += 1
      if (/ answered (?!503)/.test(String(posted.reason))) complaints.push(String(posted.reason))
    }
    for (const [index, one] of ended.entries())
      if (one.status === 'rejected') complaints.push(`${disturbances[index]?.name}: ${String(one.reason)}`)
    for (const { name } of disturbances) done.set(name, (done.get(name) ?? 0) + 1)
    await sleep(restMs)
  }
  simulator.clearRules()
  say('nothing more; waiting for the end of everything accepted')
  const quiet = sleep(STILL_TOLD_MS)
  await drained(DRAIN_DEADLINE_MS)
  await days.unspent()
  await quiet
  // No disturbance lasts as long as it may go untold, so I7 asks only that no cause is still told.
  causes.watch()
  await causes.judgeable()
  const [items] = await sql<{ items: number; failed: number }[]>`
    SELECT count(*)::int AS items, (count(*) FILTER (WHERE state = 'failed'))::int AS failed FROM ingest_items`
  say(
    `${http.accepted.length} runs accepted, ${refused} not, ${items?.items} items of which ${items?.failed} failed, ${simulator.arrivals().length} requests, ${environment.dayBegins.length} days spent`,
  )
  for (const [name, times] of [...done].toSorted(([a], [b]) => a.localeCompare(b)))
    console.log(`  ${String(times).padStart(4)} × ${name}`)
  const { items: all = 0, failed = 0 } = items ?? {}
  if (failed > all * MOST_FAILED) complaints.push(`${failed} of ${all} items failed`)
  const requests = await countRequests(sql)
  const waste = wasteOf(requests)
  say(
    `waste ${waste.toFixed(3)}: ${requests.thrownAway} answers thrown away, ${requests.unheard} not heard, of ${requests.sent} requests`,
  )
  if (waste > MOST_WASTE)
    complaints.push(`I8: requests sent ÷ needed is ${waste.toFixed(3)}, over ${MOST_WASTE}`)
  if (http.accepted.length === 0) complaints.push('No run was accepted: nothing was shown')
  return [...complaints, ...days.complaints, ...(await brokenInvariants(environment))]
}

/** Each disturbance of each turn has random choices of its own, so that its duration does not change what another chooses. */
function randomOf(seed: number, turn: number, part: number): Random {
  return randomFrom(seed * 1_000_000 + turn * 10 + part)
}
