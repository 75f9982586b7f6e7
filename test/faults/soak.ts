import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { DEEDS } from './deeds.js'
import { brokenInvariants } from './invariants.js'
import { drainWithoutWaits } from './patience.js'
import { randomFrom } from './random.js'
import { keepLogs } from './run-row.js'
import { startServers } from './servers.js'
import { createWorld } from './world.js'
import type { World } from './world.js'

const USAGE = `usage: pnpm soak [--minutes 30] [--seed 1] [--backend redis|postgres]
Row 40 of the fault matrix: rows 1 to 19 mixed at random in one system, while symbols are asked for; then the invariants.
Prints what it did and when, and exits with 1 unless all invariants hold. The same seed chooses the same faults.`

const SYMBOLS = 300
const DRAIN_DEADLINE_MS = 300_000

/** `pnpm soak`: one system that lives long and is not left alone. */
const options = {
  minutes: { type: 'string', default: '30' },
  seed: { type: 'string', default: '1' },
  backend: { type: 'string', default: 'redis' },
} as const
const { minutes, seed, backend } = parseArgs({ options }).values
if (
  !/^\d{1,4}$/.test(minutes) ||
  !/^\d{1,9}$/.test(seed) ||
  (backend !== 'redis' && backend !== 'postgres')
) {
  console.error(USAGE)
  process.exitCode = 2
} else {
  const servers = await startServers()
  const random = randomFrom(Number(seed))
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())
  let world: World | undefined
  try {
    world = await createWorld(
      servers,
      {
        workers: 2,
        ownPostgres: true,
        proxies: ['redis'],
        redisSettings: { appendonly: 'yes', appendfsync: 'everysec' },
        allows503: true,
      },
      { name: 'soak', backend, random },
    )
    const failures = await soak(world, Number(minutes) * 60_000, interrupted.signal)
    if (failures.length > 0) failures.push(await keepLogs('soak', world))
    console.log(failures.length === 0 ? 'I1 to I6 hold' : failures.join('\n'))
    process.exitCode = failures.length === 0 ? 0 : 1
  } catch (error) {
    console.error(error)
    if (world !== undefined) console.error(await keepLogs('soak', world))
    process.exitCode = 1
  } finally {
    await world?.close()
    await servers.close()
  }
}

async function soak(world: World, durationMs: number, signal: AbortSignal): Promise<string[]> {
  const { random, simulator, sql, http } = world
  const startedAt = performance.now()
  const elapsedMs = () => performance.now() - startedAt
  const say = (what: string) => console.log(`${(elapsedMs() / 1_000).toFixed(1).padStart(7)} s  ${what}`)
  const complaints: string[] = []
  let refused = 0
  const done = new Map<string, number>()
  while (elapsedMs() < durationMs && !signal.aborted) {
    const symbols = random.shuffled(Array.from({ length: SYMBOLS }, (_, index) => `SYM${index}`))
    const asked = symbols.slice(0, random.between(1, 15))
    // One at a time or two, so that one fault strikes in the recovery of another.
    const deeds = random.shuffled(DEEDS).slice(0, random.between(1, 2))
    say(`${deeds.map((deed) => deed.name).join(', and ')}; ${asked.length} symbols`)
    const force = random.between(1, 3) === 1
    const [posted, ...ended] = await Promise.allSettled([
      http.ingest(asked, { force }),
      ...deeds.map((deed) => deed.work(world)),
    ])
    // The API may have been killed, or its database: then nothing was accepted.
    if (posted.status === 'rejected') refused += 1
    for (const [index, one] of ended.entries())
      if (one.status === 'rejected') complaints.push(`${deeds[index]?.name}: ${String(one.reason)}`)
    for (const { name } of deeds) done.set(name, (done.get(name) ?? 0) + 1)
    await sleep(random.between(100, 2_000))
  }
  simulator.clearRules()
  say('nothing more; waiting for the end of everything accepted')
  await drainWithoutWaits(world, DRAIN_DEADLINE_MS)
  const [items] = await sql<{ items: number; failed: number }[]>`
    SELECT count(*)::int AS items, (count(*) FILTER (WHERE state = 'failed'))::int AS failed FROM ingest_items`
  say(
    `${http.accepted.length} runs accepted, ${refused} not, ${items?.items} items of which ${items?.failed} failed, ${simulator.arrivals().length} requests`,
  )
  for (const [name, times] of [...done].toSorted(([a], [b]) => a.localeCompare(b)))
    console.log(`  ${String(times).padStart(4)} × ${name}`)
  return [...complaints, ...(await brokenInvariants(world, {}))]
}
