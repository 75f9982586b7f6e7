import type { PlanLimits } from '@stockpile/domain/limit'
import type { Plan } from '@stockpile/domain/plan'
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { performance } from 'node:perf_hooks'
import { allowsFullHistory, limitsOf } from '../plan.js'
import { give, nameOf } from './answers.js'
import { arrivalLog, type Arrival } from './arrivals.js'
import { handleControl } from './control.js'
import { sendAfter } from './faults.js'
import { REAL_WINDOWS, slidingWindows, type Windows } from './limits.js'
import { listen } from './listen.js'
import { type Query, readQuery } from './query.js'
import { type Refusal, refusalBody } from './refusals.js'
import { jsonReply, type Reply, send, seriesReply } from './reply.js'
import { replaySource } from './series/replay.js'
import { type Rule, ruleBook } from './rules.js'
import { type Source, syntheticSource } from './series/source.js'
import { SYNTHETIC_HEADER } from '../client/synthetic-header.js'

export type { Arrival } from './arrivals.js'
export { REAL_WINDOWS, type Windows } from './limits.js'
export type { Answer, Defect, Rule } from './rules.js'
export { parseRules } from './rules.js'

export interface SimulatorOptions {
  /** The address to listen on, 127.0.0.1 by default. */
  host?: string | undefined
  /** The port to listen on; 0, the default, takes a free one. */
  port?: number | undefined
  /** The plan whose limits are kept; on the free plan `outputsize=full` is refused. */
  plan?: Plan | undefined
  /** The limits in place of the plan's; without a plan and limits there are none. */
  limits?: PlanLimits | undefined
  /** The lengths of the limits' windows, by default the real ones. */
  windows?: Windows | undefined
  /** Serve the recordings of this folder instead of synthetic series. */
  replayDir?: string | undefined
  /** The clock that decides which session is the newest completed one; the limits go by real time. */
  now?: (() => Date) | undefined
  /** The keys that are accepted, by default every key but `demo`, `invalid` and the empty one. */
  validKeys?: readonly string[] | undefined
  /** How many years back `full` reaches, 25 by default. */
  years?: number | undefined
  /** The delay before every answer, 0 by default. */
  latencyMs?: number | undefined
  /** Called with each request when its answer is decided, for a log. */
  onArrival?: ((arrival: Arrival) => void) | undefined
}

export interface Simulator {
  /** The value for ALPHAVANTAGE_BASE_URL, such as `http://127.0.0.1:4000`. */
  url: string
  /** Every request for data so far, in the order of arrival (the newest 100,000 at least). */
  arrivals: () => Arrival[]
  /** Adds a rule behind the others. Throws a ZodError when it does not parse. */
  rule: (rule: Rule) => void
  clearRules: () => void
  /** Ends all connections and timers; may be called again. */
  close: () => Promise<void>
}

interface Decision {
  answer: string
  reply: () => Reply
}

const DEFAULT_YEARS = 25
const REFUSED_KEYS = new Set(['', 'invalid'])
const NO_LIMITS: PlanLimits = { perSecond: 0, perMinute: 0, perDay: 0 }

/**
 * Starts a server that speaks Alpha Vantage's protocol on synthetic or recorded series. A rule decides first; then come the
 * key, the limits, the function, the symbol and what the plan allows, in this order. Every request with a valid key counts
 * towards the limits, whatever its answer, unless a limit refused it.
 * @throws when the port is taken (code EADDRINUSE) or a recording cannot be read
 */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const now = options.now ?? (() => new Date())
  const limits = options.limits ?? (options.plan === undefined ? NO_LIMITS : limitsOf(options.plan))
  const overLimit = slidingWindows(limits, options.windows ?? REAL_WINDOWS)
  const mayAskFull = options.plan === undefined || allowsFullHistory(options.plan)
  const validKeys = options.validKeys && new Set(options.validKeys)
  const source: Source =
    options.replayDir === undefined
      ? syntheticSource({ now, years: options.years ?? DEFAULT_YEARS })
      : await replaySource(options.replayDir)
  const rules = ruleBook()
  const log = arrivalLog(options.onArrival)
  // Recordings are real answers of the provider, so their prices are not made up.
  const synthetic = options.replayDir === undefined

  const keyRefusal = (key: string): Refusal | undefined => {
    if (validKeys !== undefined) return validKeys.has(key) ? undefined : 'invalid_key'
    if (key === 'demo') return 'demo_key'
    return REFUSED_KEYS.has(key) ? 'invalid_key' : undefined
  }
  const refusalContext = (query: Query) => ({
    function: query.function,
    apikey: query.apikey,
    perDay: limits.perDay || limitsOf('free').perDay,
  })
  const decide = (query: Query, refusal: Refusal | undefined): Decision => {
    const refuse = (name: Refusal): Decision => ({
      answer: name,
      reply: () => jsonReply(refusalBody(name, refusalContext(query))),
    })
    if (refusal !== undefined) return refuse(refusal)
    const fn = source.functionNamed(query.function)
    if (fn === undefined) return refuse('unknown_function')
    const body = source.body(query)
    if (body === undefined) return refuse('invalid_symbol')
    if (fn.hasOutputsize && query.outputsize === 'full' && !mayAskFull) return refuse('entitlement')
    return { answer: 'series', reply: () => seriesReply(body, query) }
  }

  const handleQuery = (url: URL, response: ServerResponse): void => {
    const at = performance.timeOrigin + performance.now()
    const query = readQuery(url.searchParams)
    const refusal = keyRefusal(query.apikey) ?? overLimit(at)
    const scripted = rules.answerTo(query)
    const decision = decide(query, refusal)
    log.add({
      at,
      function: query.function,
      symbol: query.symbol,
      outputsize: query.outputsize,
      datatype: query.datatype,
      answer: scripted ? nameOf(scripted) : decision.answer,
      keyFingerprint: fingerprint(query.apikey),
    })
    if (scripted === undefined) return sendAfter(response, decision.reply(), options.latencyMs ?? 0)
    give(scripted, {
      response,
      query,
      refusalContext: refusalContext(query),
      now: now(),
      usual: decision.reply,
      usualSeries: () => {
        const fn = source.functionNamed(query.function)
        const series = decision.answer === 'series' ? source.series(query) : undefined
        return fn && series && { fn, series }
      },
    })
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://simulator')
    if (url.pathname !== '/query') return handleControl(request, response, url.pathname, { rules, log })
    if (synthetic) response.setHeader(SYNTHETIC_HEADER, 'true')
    if (request.method === 'GET') return handleQuery(url, response)
    send(response, { status: 405, headers: { allow: 'GET' }, body: Buffer.alloc(0) })
  }
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy()
      else send(response, { status: 500, headers: {}, body: Buffer.from(String(error)) })
    })
  })
  const { origin, close } = await listen(server, options.port ?? 0, options.host ?? '127.0.0.1')

  return {
    url: origin,
    arrivals: log.all,
    rule: rules.add,
    clearRules: rules.clear,
    close,
  }
}

/** Makes the part of a hash by which the log tells keys apart without revealing them. */
function fingerprint(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 8)
}
