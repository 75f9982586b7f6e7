import { parseArgs } from 'node:util'
import { createEnvironment } from '../environment/create-environment.js'
import type { Environment } from '../environment/environment.js'
import { keepLogs } from '../environment/keep-logs.js'
import { randomFrom } from '../environment/random.js'
import { startServers } from '../environment/servers.js'
import { passDays } from './days.js'
import type { Days } from './days.js'
import { LIMITS, soak } from './soak.js'

const USAGE = `usage: pnpm soak [--minutes 30] [--seed 1] [--backend redis|postgres]
Scenario 40 of the fault matrix: faults of scenarios 1 to 22 mixed at random in one system, while symbols are asked for; then I1 to I8,
and how many items failed. No wait is cut short: what waits for ever is found.
Prints what it did and when, and exits with 1 unless all hold. The same seed chooses the same faults in the same order,
as long and on the same symbols; whom they strike is chosen among those that live at that moment.`

const options = {
  minutes: { type: 'string', default: '30' },
  seed: { type: 'string', default: '1' },
  backend: { type: 'string', default: 'redis' },
  help: { type: 'boolean', default: false },
} as const

// `pnpm soak` starts one system and disturbs it for a long time.
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
  let days: Days | undefined
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

/** Null when the command does not know one of the options. */
function readOptions() {
  try {
    return parseArgs({ options }).values
  } catch {
    return null
  }
}
