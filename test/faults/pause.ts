import { equal, ok } from 'node:assert/strict'
import type { Rule } from '@stockpile/alphavantage/simulator'
import { chargedAttempts } from './attempts.js'
import type { World } from './world.js'

/** Whoever had reserved a slot before the refusal came still sends; slots are reserved a second ahead at most. */
export const UNDER_WAY_MS = 1_500
const EARLY_MS = 100

/**
 * One request in the middle of a run is refused for a limit: for `pauseMs` nothing is sent by anybody, the run shows
 * `waiting_quota`, no attempt is spent, and nothing "succeeds" without rows.
 * @returns by how much later than that the first request came
 */
export async function outlastRefusal(
  { http, simulator, sql, random, until, drained }: World,
  answer: Rule['answer'],
  pauseMs: number,
): Promise<number> {
  const before = simulator.arrivals().length
  // By the time of the day, so that a second refusal in the same world asks for other symbols.
  const symbols = Array.from({ length: 12 }, (_, index) => `SYM${before + index}`)
  simulator.clearRules()
  simulator.rule({ nth: random.between(2, 8), times: 1, answer })
  const { id } = await http.ingest(symbols)
  const refusal = () =>
    simulator.arrivals().find((arrival, index) => index >= before && arrival.answer !== 'series')
  await until('the refusal', refusal)
  const refusedAt = refusal()?.at ?? 0
  await until('waiting_quota', async () => (await http.run(id)).status === 'waiting_quota')
  await drained(pauseMs + 60_000)

  const after = simulator.arrivals().filter((arrival) => arrival.at > refusedAt + UNDER_WAY_MS)
  const resumedAt = after[0]?.at ?? Infinity
  ok(
    resumedAt >= refusedAt + pauseMs - EARLY_MS,
    `A request came ${Math.round(resumedAt - refusedAt)} ms after the refusal, not ${pauseMs}`,
  )
  equal(await chargedAttempts(sql), 0, 'attempts charged')
  const empty = await sql`
    SELECT FROM ingest_items WHERE state <> 'succeeded' OR outcome <> 'fetched' OR rows_fetched = 0`
  equal(empty.length, 0, 'items without rows')
  return Math.round(resumedAt - refusedAt - pauseMs)
}
