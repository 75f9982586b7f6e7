import { busyness } from '@stockpile/test-harness/patience'
import { LATE, within } from '@stockpile/time/wait'
import type { Backend } from '../environment/backends.js'
import { createEnvironment } from '../environment/create-environment.js'
import type { Environment } from '../environment/environment.js'
import { keepLogs } from '../environment/keep-logs.js'
import { randomFrom } from '../environment/random.js'
import type { Servers } from '../environment/servers.js'
import { brokenInvariants } from '../invariants/invariants.js'
import type { Scenario } from '../scenarios/scenario.js'

/** What became of one scenario on one backend with one seed. */
export interface Result {
  scenario: Scenario
  backend: Backend
  seed: number
  recoveryMs: number | undefined
  durationMs: number
  /** The complaints; none when the scenario was survived or skipped. */
  failures: string[]
  /** Why the scenario could not be injected. */
  skipped?: string | undefined
  /** The file with the logs of the programs, when they were kept. */
  logs?: string | undefined
}

/** How long a scenario and its invariants may take when the scenario does not say, so that nothing hangs for ever. */
const DEADLINE_MS = 600_000

let environments = 0

/**
 * Runs one scenario in an environment of its own, with its own checks and the invariants. Never rejects.
 * @param run.failSkipped whether a scenario counts as failed that this machine cannot inject
 */
export async function runScenario(
  servers: Servers,
  scenario: Scenario,
  {
    backend,
    seed,
    keep,
    failSkipped,
  }: { backend: Backend; seed: number; keep: boolean; failSkipped: boolean },
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
      judge(scenario, environment, failSkipped),
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
  failSkipped: boolean,
): Promise<Pick<Result, 'recoveryMs' | 'failures' | 'skipped'>> {
  const survival = (await scenario.run(environment)) ?? {}
  const { skipped } = survival
  if (skipped !== undefined) return { recoveryMs: undefined, failures: failSkipped ? [skipped] : [], skipped }
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
