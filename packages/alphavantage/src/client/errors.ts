import type { Response } from 'undici'
import { FIRST_WAIT_MS, MAX_WAIT_MS, parseRetryAfter } from './retry-after.js'
import { readBody } from './body.js'
import type { Redact } from '../text/redact.js'
import { DISPOSITIONS } from '../refusals/dispositions.js'
import type { RefusalClass } from '../refusals/dispositions.js'
import { AlphaVantageError } from '../refusals/refusal.js'
import type { ErrorDetails } from '../refusals/refusal.js'
import { classifyRefusal } from '../refusals/wording.js'

/**
 * How much of a text is read and redacted for evidence, in characters. It is more than is kept, because a text is redacted
 * before it is cut: a cut through the key would leave half of the key.
 */
const EVIDENCE_SOURCE = 64 * 1024

/** Makes an error whose texts are all redacted. Its message is `what` happened, if that is given, and the meaning of the class. */
export function makeError(
  refusal: RefusalClass,
  symbol: string,
  redact: Redact,
  details: ErrorDetails & { what?: string } = {},
): AlphaVantageError {
  const { what, evidence, ...rest } = details
  const { meaning } = DISPOSITIONS[refusal]
  const message = what === undefined ? `${symbol}: ${meaning}` : `${symbol}: ${what}. ${meaning}`
  return new AlphaVantageError(refusal, redact(message), {
    ...rest,
    evidence: evidence == null ? null : redact(evidence.slice(0, EVIDENCE_SOURCE)),
  })
}

/** Makes an error of the parser anew with redacted texts. Its evidence is the beginning of `text`, the body that was parsed. */
export function errorOfBody(error: AlphaVantageError, text: string, redact: Redact): AlphaVantageError {
  const evidence = redact(text.slice(0, EVIDENCE_SOURCE))
  return new AlphaVantageError(error.class, redact(error.message), { httpStatus: 200, evidence })
}

/**
 * Makes the error that an answer with another status than 200 means. A refusal in the provider's words counts for more than
 * status and headers, which may be a proxy's.
 */
export async function errorOfStatus(
  response: Response,
  symbol: string,
  redact: Redact,
  now: Date,
): Promise<AlphaVantageError> {
  const httpStatus = response.status
  const what = `HTTP ${httpStatus}`
  if (httpStatus >= 300 && httpStatus < 400) {
    await response.body?.cancel()
    return makeError('redirect', symbol, redact, {
      what,
      httpStatus,
      evidence: response.headers.get('location'),
    })
  }
  const evidence = await readEvidence(response)
  const refusal = classifyText(evidence) ?? classOfStatus(httpStatus)
  const header = response.headers.get('retry-after')
  const saidMs = httpStatus === 429 && refusal === 'throttled' ? parseRetryAfter(header, now) : null
  if (saidMs === null) return makeError(refusal, symbol, redact, { what, httpStatus, evidence })
  return throttled(saidMs, header ?? '', symbol, redact, { httpStatus, evidence })
}

/** How much of a header a message quotes, in characters: no date and no useful number is longer. */
const MAX_HEADER = 32

/**
 * Makes the error of an answer that asks to wait. A single answer may be a proxy's and is believed for a while only; a second
 * one after that while is believed for as long as it says.
 */
function throttled(
  saidMs: number,
  header: string,
  symbol: string,
  redact: Redact,
  details: ErrorDetails,
): AlphaVantageError {
  const said = `Retry-After ${redact(header.trim()).slice(0, MAX_HEADER)}${/^\d+$/.test(header.trim()) ? ' s' : ''}`
  const firstMs = Math.min(saidMs, FIRST_WAIT_MS)
  const kept = (ms: number) =>
    ms < saidMs || saidMs === MAX_WAIT_MS ? `, of which ${ms / 1_000} s are kept` : ''
  const again = makeError('throttled', symbol, redact, {
    ...details,
    what: `HTTP 429 again after ${firstMs / 1_000} s, ${said}${kept(saidMs)}`,
    disposition: { action: 'snooze', waitMs: saidMs },
  })
  return makeError('throttled', symbol, redact, {
    ...details,
    what: `HTTP 429, ${said}${kept(firstMs)}`,
    disposition: { action: 'snooze', waitMs: firstMs, ...(saidMs > firstMs ? { again } : {}) },
  })
}

/**
 * Makes the error of a request that broke off, in its answer or before.
 * @param timeoutMs the time that the request had, when it is over; else null
 */
export function errorOfTransport(
  error: unknown,
  symbol: string,
  redact: Redact,
  timeoutMs: number | null,
): AlphaVantageError {
  if (timeoutMs !== null) {
    return makeError('timeout', symbol, redact, { what: `No complete answer within ${timeoutMs} ms` })
  }
  const refusedBy = proxyRefusal(error)
  if (refusedBy !== null) {
    const what = `The proxy refuses the way to the provider (HTTP ${refusedBy})`
    return makeError('network', symbol, redact, { what, sent: false })
  }
  const code = codeOf(error)
  if (code?.startsWith('Z_') === true) {
    return makeError('bad_payload', symbol, redact, { what: `The body cannot be decompressed (${code})` })
  }
  // undici and the kernel have time limits of their own, such as 10 s for a connection.
  const refusal = code !== null && /TIMEOUT|TIMEDOUT/.test(code) ? 'timeout' : 'network'
  const sent = code === null || !NEVER_CONNECTED.has(code)
  return makeError(refusal, symbol, redact, { what: `The request failed (${code ?? 'no code'})`, sent })
}

/** Codes of the resolver, the kernel and undici that mean that no connection came about, so that the request was not counted. */
const NEVER_CONNECTED = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
])

async function readEvidence(response: Response): Promise<string> {
  try {
    const { chunks } = await readBody(response, EVIDENCE_SOURCE)
    return Buffer.concat(chunks).toString()
  } catch {
    // The body broke off: the status alone decides.
    return ''
  }
}

function classifyText(text: string): RefusalClass | null {
  try {
    const refusal = classifyRefusal(JSON.parse(text))
    return refusal === null || refusal.class === 'unrecognized' ? null : refusal.class
  } catch {
    return null
  }
}

/** Classifies any status but 200 and the 3xx. 408, 425 and 429 are the only 4xx by which a server asks for another try. */
function classOfStatus(status: number): RefusalClass {
  if (status === 429) return 'throttled'
  return status >= 500 || status === 408 || status === 425 ? 'http_error' : 'http_rejected'
}

/**
 * Reads the status with which a proxy refused to pass a request on, so that nothing reached the provider. undici tells it in
 * the words of the message alone. Null for every other error.
 */
function proxyRefusal(error: unknown): string | null {
  for (const { message } of causesOf(error)) {
    const tunnel = /^Proxy response \((\d{3})\) !== 200 when HTTP Tunneling$/.exec(message)
    if (tunnel !== null) return tunnel[1] ?? null
    if (message === 'Proxy Authentication Required (407)') return '407'
  }
  return null
}

/** Reads the code of an error of fetch or of a cause of it. Nothing else of such errors is used: their messages quote the URL. */
function codeOf(error: unknown): string | null {
  for (const cause of causesOf(error))
    if ('code' in cause && typeof cause.code === 'string' && /^[A-Z][A-Z0-9_]+$/.test(cause.code))
      return cause.code
  return null
}

/** Lists an error and its causes, at most four. */
function causesOf(error: unknown): Error[] {
  const causes: Error[] = []
  for (let current = error; current instanceof Error && causes.length < 4; current = current.cause)
    causes.push(current)
  return causes
}
