import { Agent, fetch } from 'undici'
import type { DailyRequest, ProviderClient } from '@stockpile/domain/provider'
import { readBody } from './body.js'
import { type DailySeries, parseDailyJson } from '../series/daily-series.js'
import { type Deadline, startDeadline } from './deadline.js'
import { onDeparture } from './departure.js'
import { errorOfBody, errorOfStatus, errorOfTransport, makeError } from './failure.js'
import { asIs, type Redact, redactorOf } from '../text/redact.js'
import { AlphaVantageError } from '../refusals/refusal.js'
import { SYNTHETIC_HEADER } from './synthetic.js'
import type { Transport } from './transport.js'

export interface ClientOptions {
  /** Where `/query` is, without it: `https://www.alphavantage.co`. */
  baseUrl: string
  /** Asked before every request, so that a rotated key counts at once. White space around the key is ignored. */
  apiKey: () => string | Promise<string>
  /** The way there, by default a direct one. */
  transport?: Transport
  /** For the whole request, its body included; default 30,000. */
  timeoutMs?: number
  /** Of the decoded body; default 32 MiB. */
  bodyLimitBytes?: number
  now?: () => Date
}

export interface FetchedDaily extends DailySeries {
  /** Whether the answer says of itself that its prices are made up: the simulator's answers do. */
  synthetic: boolean
}

export interface Client extends ProviderClient {
  /**
   * Fetches TIME_SERIES_DAILY, raw prices, as `ProviderClient` says. `compact` is the newest 100 rows, `full` some 25 years;
   * the free plan refuses `full` (reports from 2026-05 on).
   */
  fetchDaily(request: DailyRequest, signal?: AbortSignal, onDeparture?: () => void): Promise<FetchedDaily>
}

/** Of this package's undici: Node's own takes a `100 Continue` for an error. */
const DIRECT = new Agent()

/** Makes a client. Throws TypeError when `baseUrl` is no http(s) URL, or one with a user, a query or a fragment. */
export function createClient(options: ClientOptions): Client {
  const { timeoutMs = 30_000, bodyLimitBytes = 32 * 1024 * 1024, now = () => new Date() } = options
  const endpoint = endpointOf(options.baseUrl)
  const dispatcher = options.transport?.dispatcher ?? DIRECT

  async function fetchText(url: URL, symbol: string, redact: Redact, deadline: Deadline) {
    try {
      const response = await fetch(url, {
        dispatcher,
        redirect: 'manual',
        signal: deadline.signal,
        headers: { accept: 'application/json', 'user-agent': 'stockpile' },
      })
      // A part (206) or what a proxy has changed (203) is no series, whatever it looks like.
      if (response.status !== 200) throw await errorOfStatus(response, symbol, redact, now())
      const { chunks, complete } = await readBody(response, bodyLimitBytes)
      if (!complete)
        throw makeError('too_large', symbol, redact, { what: `More than ${bodyLimitBytes} bytes` })
      const body = Buffer.concat(chunks)
      const synthetic = response.headers.get(SYNTHETIC_HEADER) === 'true'
      return { text: decode(body), bytes: body.length, synthetic }
    } catch (error) {
      if (error instanceof AlphaVantageError) throw error
      throw errorOfTransport(error, symbol, redact, deadline.isOver() ? timeoutMs : null)
    }
  }

  async function send(
    { symbol, outputsize }: DailyRequest,
    deadline: Deadline,
    departed: () => void,
  ): Promise<FetchedDaily> {
    const key = await readKey(options.apiKey, symbol, deadline, timeoutMs)
    const redact = redactorOf(key)
    const url = new URL(endpoint)
    const query = { function: 'TIME_SERIES_DAILY', symbol, outputsize, datatype: 'json', apikey: key }
    url.search = new URLSearchParams(query).toString()
    const endWatch = onDeparture(url, departed)
    const { text, bytes, synthetic } = await fetchText(url, symbol, redact, deadline).finally(endWatch)
    const series = parseRedacted(text, symbol, redact, now())
    return { ...series, bytes, synthetic }
  }

  return {
    async fetchDaily(request, signal, departed = () => {}) {
      signal?.throwIfAborted()
      const deadline = startDeadline(timeoutMs, signal)
      try {
        return await send(request, deadline, departed)
      } catch (error) {
        signal?.throwIfAborted()
        throw error
      } finally {
        deadline.end()
      }
    },
  }
}

function endpointOf(baseUrl: string): URL {
  // Nothing is quoted: whoever pastes a whole request here pastes the key with it.
  if (!URL.canParse(baseUrl)) throw new TypeError('the base URL of Alpha Vantage is no URL')
  const url = new URL(baseUrl)
  if (!/^https?:$/.test(url.protocol) || url.username + url.password + url.search + url.hash !== '') {
    throw new TypeError('the base URL of Alpha Vantage must be http(s), without user, query and fragment')
  }
  url.pathname = `${url.pathname.replace(/\/+$/, '').replace(/\/query$/, '')}/query`
  return url
}

/** Asks for the key, and refuses what cannot be one before it is sent. */
async function readKey(
  apiKey: ClientOptions['apiKey'],
  symbol: string,
  deadline: Deadline,
  timeoutMs: number,
): Promise<string> {
  let key: string
  try {
    key = (await deadline.race(Promise.resolve().then(apiKey))).trim()
  } catch (error) {
    if (deadline.isOver()) throw errorOfTransport(error, symbol, asIs, timeoutMs)
    throw makeError('invalid_key', symbol, asIs, { what: 'The API key could not be read', sent: false })
  }
  if (!/^[\x20-\x7E]{1,256}$/.test(key)) {
    throw makeError('invalid_key', symbol, asIs, {
      what: 'The API key is empty or cannot be one',
      sent: false,
    })
  }
  return key
}

/** A byte that is no UTF-8 becomes U+FFFD, which no number and no symbol contains: it is found where it matters. */
function decode(bytes: Buffer): string {
  return new TextDecoder().decode(bytes)
}

function parseRedacted(text: string, symbol: string, redact: Redact, now: Date): DailySeries {
  try {
    const series = parseDailyJson(text, symbol, now, redact)
    // Where else the provider's words are kept. Rows are numbers and dates: to change them would be worse.
    const { lastRefreshed, timeZone } = series
    return {
      ...series,
      lastRefreshed: lastRefreshed === null ? null : redact(lastRefreshed),
      timeZone: timeZone === null ? null : redact(timeZone),
    }
  } catch (error) {
    if (!(error instanceof AlphaVantageError)) throw error
    throw errorOfBody(error, text, redact)
  }
}
