import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LATE, within } from '@stockpile/time/wait'
import { busyness } from '@stockpile/test-harness/patience'
import { brokenInvariants } from './invariants.js'
import { randomFrom } from './random.js'
import type { Row } from './row.js'
import type { Backend } from './backends.js'
import type { Servers } from './servers.js'
import { createWorld } from './world.js'
import type { World } from './world.js'

export interface Result {
  row: Row
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

/** For a row and its invariants, whatever hangs, unless the row says. */
const DEADLINE_MS = 600_000

let worlds = 0

/** One fault in a world of its own, the row's own checks, and the invariants. Never rejects. */
export async function runRow(
  servers: Servers,
  row: Row,
  { backend, seed, keep }: { backend: Backend; seed: number; keep: boolean },
): Promise<Result> {
  worlds += 1
  const name = `row_${row.number}_${backend}_${seed}_${worlds}`
  const startedAt = performance.now()
  const result = (failures: string[], recoveryMs?: number): Result => {
    const durationMs = Math.round(performance.now() - startedAt)
    return { row, backend, seed, recoveryMs, durationMs, failures }
  }
  let world: World | undefined
  try {
    const random = randomFrom(seed * 1_000 + row.number)
    world = await createWorld(servers, row.world ?? {}, { name, backend, random })
    const { recoveryMs, failures, skipped } = await inTime(judge(row, world), row.deadlineMs ?? DEADLINE_MS)
    const kept = failures.length > 0 || keep ? await keepLogs(name, world) : undefined
    return { ...result(failures, recoveryMs), skipped, logs: kept }
  } catch (error) {
    const logs = world === undefined ? undefined : await keepLogs(name, world)
    return { ...result([error instanceof Error ? error.message : String(error)]), logs }
  } finally {
    await world?.close()
  }
}

async function judge(row: Row, world: World): Promise<Pick<Result, 'recoveryMs' | 'failures' | 'skipped'>> {
  const survival = (await row.run(world)) ?? {}
  const { skipped } = survival
  if (skipped !== undefined)
    return { recoveryMs: undefined, failures: process.env['CI'] === 'true' ? [skipped] : [], skipped }
  await world.drained()
  const failures = await brokenInvariants(world, survival)
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
export async function keepLogs(name: string, world: World): Promise<string> {
  const file = join(tmpdir(), `stockpile-${name}.log`)
  const books = {
    items: await world.sql`SELECT * FROM ingest_items ORDER BY id LIMIT 100`.catch(String),
    failures: await world.sql`SELECT * FROM ingest_failures ORDER BY id LIMIT 100`.catch(String),
    arrivals: world.simulator.arrivals().slice(-200),
  }
  await writeFile(file, [...world.programs.outputs(), JSON.stringify(books, undefined, 1)].join('\n\n'))
  return file
}
