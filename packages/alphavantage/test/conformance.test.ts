import { describeProvider } from '@stockpile/test-harness/provider-conformance'
import type { ProviderFake } from '@stockpile/test-harness/provider-conformance'
import { createClient } from '../src/client/client.js'
import { alphaVantage } from '../src/provider.js'
import { isRefusalClass } from '../src/refusals/dispositions.js'
import type { RefusalClass } from '../src/refusals/dispositions.js'
import { startSimulator } from '../src/simulator/server.js'
import type { Rule } from '../src/simulator/server.js'

type Answer = Rule['answer']

describeProvider({ provider: alphaVantage, startFake, createClient, symbol: 'IBM' })

/** Starts the simulator, whose rules say what it answers. */
async function startFake(): Promise<ProviderFake> {
  const simulator = await startSimulator()
  const answer = (one: Answer) => {
    simulator.clearRules()
    simulator.rule({ answer: one })
  }
  return {
    baseUrl: simulator.url,
    requests: () => simulator.arrivals().length,
    refuse: (refusal, echo) => {
      if (!isRefusalClass(refusal)) throw new RangeError(`there is no class ${refusal}`)
      answer(ANSWERS[refusal](echo))
    },
    drip: () => answer({ kind: 'drip', bytes: 1, everyMs: 5 }),
    flood: (bytes) => answer({ kind: 'gzip_bomb', bytes }),
    close: simulator.close,
  }
}

const raw = (body: unknown): Answer => ({ kind: 'raw', body: JSON.stringify(body) })
/** Makes a refusal in words, with so long an echo beside the words that the evidence is cut. */
const refuses = (words: string, echo: string): Answer =>
  raw({ Information: words, echo: repeated(echo), more: {} })
const status = (code: number, echo: string): Answer => ({
  kind: 'status',
  status: code,
  headers: { location: `http://elsewhere.invalid/?k=${echo}` },
  body: JSON.stringify(repeated(echo)),
})
const repeated = (echo: string) => `${echo} `.repeat(50)

const ANSWERS: Record<RefusalClass, (echo: string) => Answer> = {
  invalid_key: (echo) => refuses(`the apikey is invalid: ${echo}`, echo),
  demo_key: (echo) => refuses(`${echo} is the **demo** API key`, echo),
  invalid_symbol: (echo) => refuses(`Invalid API call ${echo}`, echo),
  unknown_function: (echo) => refuses(`This API function does not exist: ${echo}`, echo),
  provider_error: (echo) => refuses(`internal or external error ${echo}`, echo),
  entitlement: (echo) => refuses(`This is a premium endpoint ${echo}`, echo),
  burst_limit: (echo) => refuses(`Burst pattern ${echo}`, echo),
  minute_limit: (echo) => refuses(`Minute-level rate limit ${echo}`, echo),
  daily_limit: (echo) =>
    refuses(
      `We have detected your API key as ${echo} and our standard API rate limit is 25 requests per day`,
      echo,
    ),
  no_data: (echo) => raw({ echo: { key: repeated(echo) } }),
  unrecognized: (echo) => refuses(`Hello ${echo}`, echo),
  network: () => ({ kind: 'reset' }),
  timeout: () => ({ kind: 'delay', ms: 60_000 }),
  http_error: (echo) => status(500, echo),
  http_rejected: (echo) => status(403, echo),
  throttled: (echo) => status(429, echo),
  redirect: (echo) => status(302, echo),
  wrong_symbol: (echo) =>
    raw({
      'Meta Data': { '2. Symbol': `${'x'.repeat(25)}${echo}` },
      'Time Series (Daily)': { '2026-05-15': {} },
    }),
  bad_payload: (echo) => ({ kind: 'raw', body: `{"${echo}` }),
  too_large: () => ({ kind: 'huge_body', bytes: 16 * 1024 * 1024 }),
}
