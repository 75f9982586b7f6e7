import { deepEqual, equal, ok } from 'node:assert/strict'
import { BACKENDS } from '../../environment/backends.js'
import { API_KEY } from '../../environment/canary.js'
import { symbols } from '../../environment/symbols.js'
import { failedAttempts } from '../../steps/attempts.js'
import { drainWithoutWaits } from '../../steps/drain-without-waits.js'
import type { Scenario } from '../scenario.js'

/** The bounds of the backoff after each failed attempt: 5 s, four times as long each time, half of it at random. */
const WAITS_MS = [
  [2_500, 5_000],
  [10_000, 20_000],
  [40_000, 80_000],
  [160_000, 320_000],
] as const
/** Pairs of symbols that always fail: three failures in a row would count as an outage of the provider. */
const HOPELESS = [symbols(2, 'NEVER'), symbols(2, 'NOT'), symbols(2, 'NOR')]
/** How much closer together than they were sent a busy machine may read two requests. */
const LAG_MS = 250

export const upstreamFailing: Scenario = {
  number: 17,
  title: 'the upstream answers 500, 502, 503: growing, jittered waits, terminal after 5 attempts, recorded',
  backends: BACKENDS,
  async run(environment) {
    const { http, simulator, sql, programs, random, until, drained } = environment
    const status = (code: number, body = '') => ({ kind: 'status', status: code, body }) as const
    // Imitates the page of a gateway that repeats the request, the key included.
    simulator.rule({
      symbol: 'ONCE',
      times: 1,
      answer: status(500, `GET /query?apikey=${API_KEY} ${writtenOtherwise(API_KEY).join(' ')}`),
    })
    simulator.rule({ symbol: 'TWICE', times: 2, answer: status(502) })
    for (const symbol of HOPELESS.flat()) simulator.rule({ symbol, answer: status(503, 'Back soon') })
    const { id } = await http.ingest(random.shuffled(['ONCE', 'TWICE', 'SOUND']))
    await drained()

    const timesOf = (symbol: string) =>
      simulator.arrivals().flatMap((arrival) => (arrival.symbol === symbol ? [arrival.at] : []))
    const hopeless: string[] = []
    for (const [index, pair] of HOPELESS.entries()) {
      // A sound answer in between shows that there is no outage.
      await http.ingest([`SOUND${index}`])
      await drained()
      hopeless.push((await http.ingest(pair)).id)
      if (index > 0) {
        await drainWithoutWaits(environment)
        continue
      }
      const watched = random.pick(pair)
      // The scenario waits for the first two backoffs and skips the others, which take minutes.
      await until('the third attempt', () => timesOf(watched).length >= 3)
      const [first = 0, second = 0, third = 0] = timesOf(watched)
      ok(second - first >= WAITS_MS[0][0] - LAG_MS, `The first wait was ${second - first} ms`)
      ok(third - second >= WAITS_MS[1][0] - LAG_MS, `The second wait was ${third - second} ms`)
      await drainWithoutWaits(environment)
    }

    for (const symbol of HOPELESS.flat()) {
      const attempts = await failedAttempts(sql, symbol)
      deepEqual(
        attempts.map((one) => [one.attempt, one.final, one.class, one.httpStatus, one.evidence]),
        [1, 2, 3, 4, 5].map((number) => [number, number === 5, 'http_error', 503, 'Back soon']),
      )
      equal(timesOf(symbol).length, 5, `requests for ${symbol}`)
    }
    const logged = programs
      .outputs()
      .join('\n')
      .matchAll(/"attempt":(\d),.*"retryInMs":(\d+)/g)
    const waits = Array.from(logged, ([, attempt, ms]) => ({ attempt: Number(attempt), ms: Number(ms) }))
    for (const [index, [least, most]] of WAITS_MS.entries()) {
      const ofAttempt = waits.filter((wait) => wait.attempt === index + 1).map((wait) => wait.ms)
      ok(ofAttempt.length >= HOPELESS.flat().length, `${ofAttempt.length} waits after attempt ${index + 1}`)
      ok(
        ofAttempt.every((ms) => ms >= least && ms <= most),
        `Waits of ${ofAttempt.join()} ms`,
      )
      ok(Math.max(...ofAttempt) - Math.min(...ofAttempt) > least / 20, `No jitter: ${ofAttempt.join()} ms`)
    }
    const [echo] = await failedAttempts(sql, 'ONCE')
    ok(echo?.evidence?.includes('apikey=[redacted]'), `The evidence is ${echo?.evidence}`)
    equal((await http.run(id)).status, 'succeeded')
    for (const run of hopeless) equal((await http.run(run)).status, 'failed')
  },
}

/** The key as servers and proxies may write it: escaped for URL or HTML, in base64, in hex. */
function writtenOtherwise(key: string): string[] {
  const bytes = Buffer.from(key)
  const codes = [...bytes]
  return [
    encodeURIComponent(key),
    ...[0, 1, 2].map((shift) => Buffer.concat([Buffer.alloc(shift, '?'), bytes]).toString('base64')),
    bytes.toString('base64url'),
    bytes.toString('hex'),
    codes.map((code) => `&#${code};`).join(''),
    codes.map((code) => `&#x${code.toString(16)};`).join(''),
    key.replaceAll('+', '&plus;').replaceAll('/', '&sol;'),
  ]
}
