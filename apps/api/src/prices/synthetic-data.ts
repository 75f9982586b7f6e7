import type { Database } from '@stockpile/db/connection'
import { hasSyntheticData } from '@stockpile/db/synthetic-data'
import * as z from 'zod'
import { createProbe } from '../operations/probe.js'
import type { App } from '../types.js'
import { INFO } from '../http/info.js'

/** Whether prices that a simulator made up were ever stored here. */
export type SyntheticData = () => Promise<boolean>

const DEADLINE_MS = 500
/** The database is asked once in this time at most, and never again once it said yes. */
const RECHECK_MS = 1_000

const successSchema = z.looseObject({ info: z.looseObject({ error: z.literal(INFO.error) }) })

/**
 * Adds to `info` of every successful JSON answer that prices are made up, so that no client overlooks it. Liveness is the
 * exception, since it asks nobody.
 */
export function registerSyntheticData(app: App, db: Database): SyntheticData {
  const look = createProbe(() => hasSyntheticData(db), DEADLINE_MS)
  let known = false
  let lookedAt = -Infinity
  const isSynthetic: SyntheticData = async () => {
    if (known || performance.now() - lookedAt < RECHECK_MS) return known
    const found = await look()
    // The next request asks again when the database did not answer.
    if (found !== undefined) lookedAt = performance.now()
    known = found === true
    return known
  }
  app.addHook('preSerialization', async (request, _reply, payload) =>
    request.routeOptions.url !== '/healthz' && (await isSynthetic()) ? marked(payload) : payload,
  )
  return isSynthetic
}

/** Keeps the order of the fields, which is part of the contract. */
function marked(payload: unknown): unknown {
  const success = successSchema.safeParse(payload)
  if (!success.success || typeof payload !== 'object') return payload
  return { ...payload, info: { ...success.data.info, synthetic_data: true } }
}
