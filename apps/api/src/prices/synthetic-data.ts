import type { Database } from '@stockpile/db/connection'
import { hasSyntheticData } from '@stockpile/db/synthetic-data'
import * as z from 'zod'
import { createProbe } from '../operations/probe.js'
import type { App } from '../types.js'
import { INFO } from '../http/info.js'

/** Whether prices that a simulator made up were ever stored here. */
export type SyntheticData = () => Promise<boolean>

const DEADLINE_MS = 500
/** Asked once a second at most, and never again once the answer was yes. */
const RECHECK_MS = 1_000

const successSchema = z.looseObject({ info: z.looseObject({ error: z.literal(INFO.error) }) })

/**
 * Lets the `info` of every successful answer say that prices are made up: whoever reads any of them reads that. Not of
 * liveness, which asks nobody.
 */
export function registerSyntheticData(app: App, db: Database): SyntheticData {
  const look = createProbe(() => hasSyntheticData(db), DEADLINE_MS)
  let known = false
  let lookedAt = -Infinity
  const isSynthetic: SyntheticData = async () => {
    if (known || performance.now() - lookedAt < RECHECK_MS) return known
    const found = await look()
    // Nobody can say while the database does not answer: then the next request asks again.
    if (found !== undefined) lookedAt = performance.now()
    known = found === true
    return known
  }
  app.addHook('preSerialization', async (request, _reply, payload) =>
    request.routeOptions.url !== '/healthz' && (await isSynthetic()) ? marked(payload) : payload,
  )
  return isSynthetic
}

/** With its fields in their order, which is part of the contract. */
function marked(payload: unknown): unknown {
  const success = successSchema.safeParse(payload)
  if (!success.success || typeof payload !== 'object') return payload
  return { ...payload, info: { ...success.data.info, synthetic_data: true } }
}
