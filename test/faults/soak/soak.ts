import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { passDays } from './days.js'
import { DISTURBANCES } from '../disturbances/disturbances.js'
import { brokenInvariants } from '../invariants/invariants.js'
import { randomFrom } from '../environment/random.js'
import type { Random } from '../environment/random.js'
import { keepLogs } from '../matrix/run-scenario.js'
import { startServers } from '../environment/servers.js'
import { symbols } from '../environment/symbols.js'
import { countRequests, wasteOf } from '../invariants/waste.js'
import { createEnvironment } from '../environment/create-environment.js'
import type { Environment } from '../environment/environment.js'

const USAGE = `usage: pnpm soak [--minutes 30] [--seed 1] [--backend redis|postgres]
Scenario 40 of the fault matrix: faults of scenarios 1 to 22 mixed at random in one system, while symbols are asked for; then I1 to I8,
and how many items failed. No wait is cut short: what waits for ever is found.
Prints what it did and when, and exits with 1 unless all hold. The same seed chooses the same faults in the same order,
as long and on the same symbols; whom they strike is chosen among those that live at that moment.`

const SYMBOLS = symbols(300)
/** All are reached, the day's every ten minutes or so: see `passDays`. */
const LIMITS = { perSecond: 5, perMinute: 100, perDay: 400 }
/** Above the longest backoff, a pause of a minute and a backlog of some minutes together. */
const DRAIN_DEADLINE_MS = 900_000
/** Of items: five sound tries in vain, one after the other, are rare when every fault ends within seconds. */
const MOST_FAILED = 0.01
/** After its end a cause may be told for so long. */
const STILL_TOLD_MS = 30_000
/** Requests sent ÷ requests needed. */
const MOST_WASTE = 1.05

/** `pnpm soak`: one system that lives long and is not left alone. */
const options = {
  minutes: { type: 'string', default: '30' },
  seed: { type: 'string', default: '1' },
  backend: { type: 'string', default: 'redis' },
  help: { type: 'boolean', default: false },
} as const
const given = readOptions()
if (given?.help === true) console.log(USAGE)
else if (
  given === null ||
  !/^\d{1,4}$/.test(given.minutes) ||
  !/^\d{1,9}$/.test(given.seed) ||
  (given.backend !== 'redis' && given.backend !== 'postgres')
) {
  console.error(USAGE)
  process.exitCode = 2
} else {
  const servers = await startServers()
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())
  let environment: Environment | undefined
  let days: ReturnType<typeof passDays> | undefined
  try {
    environment = await createEnvironment(
      servers,
      {
        workers: 2,
        limits: LIMITS,
        ownPostgres: true,
        proxies: ['redis'],
        redisSettings: { appendonly: 'yes', appendfsync: 'everysec' },
        allows503: true,
      },
      { name: 'soak', backend: given.backend, random: randomFrom(Number(given.seed)) },
    )
    days = passDays(environment)
    const failures = await soak(environment, days, {
      seed: Number(given.seed),
      durationMs: Number(given.minutes) * 60_000,
      signal: interrupted.signal,
    })
    if (failures.length > 0) failures.push(await keepLogs('soak', environment))
    console.log(failures.length === 0 ? 'I1 to I8 hold' : failures.join('\n'))
    process.exitCode = failures.length === 0 ? 0 : 1
  } catch (error) {
    console.error(error)
    if (environment !== undefined) console.error(await keepLogs('soak', environment))
    process.exitCode = 1
  } finally {
    await days?.close()
    await environment?.close()
    await servers.close()
  }
}

/** Null when there is an option that this command does not take. */
function readOptions() {
  try {
    return parseArgs({ options }).values
  } catch {
    return null
  }
}

async function soak(
  environment: Environment,
  days: ReturnType<typeof passDays>,
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
    // One at a time or two, so that one fault strikes in the recovery of another.
    const disturbances = random.shuffled(possible).slice(0, random.between(1, 2))
    const force = random.between(1, 3) === 1
    const restMs = random.between(100, 2_000)
    say(`${disturbances.map((disturbance) => disturbance.name).join(', and ')}; ${asked.length} symbols`)
    const [posted, ...ended] = await Promise.allSettled([
      http.ingest(asked, { force }),
      ...disturbances.map((disturbance, index) =>
        disturbance.work({ ...environment, random: randomOf(seed, turn, index + 1) }),
      ),
    ])
    // The API may have been killed, or its database: then nothing was accepted.
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
  // None of these faults lasts for as long as it may go untold: that none is still told is what I7 asks here.
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
  return [...complaints, ...days.complaints, ...(await brokenInvariants(environment, {}))]
}

/** One for each turn and each of its disturbances: how long one of them takes must not change what another chooses. */
function randomOf(seed: number, turn: number, part: number): Random {
  return randomFrom(seed * 1_000_000 + turn * 10 + part)
}
