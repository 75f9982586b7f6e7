import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LATE, within } from '@stockpile/time/wait'
import { busyness } from '@stockpile/test-harness/patience'
import { brokenInvariants } from '../invariants/invariants.js'
import { randomFrom } from '../environment/random.js'
import type { Scenario } from '../scenarios/scenario.js'
import type { Backend } from '../environment/backends.js'
import type { Servers } from '../environment/servers.js'
import { createEnvironment } from '../environment/create-environment.js'
import type { Environment } from '../environment/environment.js'

export interface Result {
  scenario: Scenario
  backend: Backend
  seed: number
  recoveryMs: number | undefined
  durationMs: number
  /** Nothing: it survived, or was skipped. */
  failures: string[]
  skipped?: string | undefined
  /** Where the logs of its programs are, when they were kept. */
  logs?: string | undefined
}

/** For a scenario and its invariants, whatever hangs, unless the scenario says. */
const DEADLINE_MS = 600_000

let environments = 0

/** One fault in an environment of its own, the scenario's own checks, and the invariants. Never rejects. */
export async function runScenario(
  servers: Servers,
  scenario: Scenario,
  { backend, seed, keep }: { backend: Backend; seed: number; keep: boolean },
): Promise<Result> {
  environments += 1
  const name = `scenario_${scenario.number}_${backend}_${seed}_${environments}`
  const startedAt = performance.now()
  const result = (failures: string[], recoveryMs?: number): Result => {
    const durationMs = Math.round(performance.now() - startedAt)
    return { scenario, backend, seed, recoveryMs, durationMs, failures }
  }
  let environment: Environment | undefined
  try {
    const random = randomFrom(seed * 1_000 + scenario.number)
    environment = await createEnvironment(servers, scenario.environment ?? {}, { name, backend, random })
    const { recoveryMs, failures, skipped } = await inTime(
      judge(scenario, environment),
      scenario.deadlineMs ?? DEADLINE_MS,
    )
    const kept = failures.length > 0 || keep ? await keepLogs(name, environment) : undefined
    return { ...result(failures, recoveryMs), skipped, logs: kept }
  } catch (error) {
    const logs = environment === undefined ? undefined : await keepLogs(name, environment)
    return { ...result([error instanceof Error ? error.message : String(error)]), logs }
  } finally {
    await environment?.close()
  }
}

async function judge(
  scenario: Scenario,
  environment: Environment,
): Promise<Pick<Result, 'recoveryMs' | 'failures' | 'skipped'>> {
  const survival = (await scenario.run(environment)) ?? {}
  const { skipped } = survival
  if (skipped !== undefined)
    return { recoveryMs: undefined, failures: process.env['CI'] === 'true' ? [skipped] : [], skipped }
  await environment.drained()
  const failures = await brokenInvariants(environment, survival)
  const { recoveryMs } = survival
  const recoveryLimitMs = Math.round((survival.recoveryLimitMs ?? Infinity) * busyness())
  if (recoveryMs !== undefined && recoveryMs > recoveryLimitMs)
    failures.push(`recovered after ${recoveryMs} ms, later than ${recoveryLimitMs} ms`)
  return { recoveryMs, failures, skipped }
}

async function inTime<T>(work: Promise<T>, deadlineMs: number): Promise<T> {
  const given = await within(work, deadlineMs)
  if (given === LATE) throw new Error(`Not decided within ${deadlineMs} ms`)
  return given
}

/** @returns the file */
export async function keepLogs(name: string, environment: Environment): Promise<string> {
  const file = join(tmpdir(), `stockpile-${name}.log`)
  const books = {
    items: await environment.sql`SELECT * FROM ingest_items ORDER BY id LIMIT 100`.catch(String),
    failures: await environment.sql`SELECT * FROM ingest_failures ORDER BY id LIMIT 100`.catch(String),
    arrivals: environment.simulator.arrivals().slice(-200),
  }
  await writeFile(file, [...environment.programs.outputs(), JSON.stringify(books, undefined, 1)].join('\n\n'))
  return file
}
