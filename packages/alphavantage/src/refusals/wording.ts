import { isRecord } from '../text/json.js'
import type { RefusalClass } from './dispositions.js'

/** The keys under which the texts of refusals were seen. A body with one of these keys is a refusal whatever else it holds. */
const REFUSAL_KEYS = ['Error Message', 'Information', 'Note', 'message']

/** One way in which the provider words a class of refusals. */
interface Wording {
  class: RefusalClass
  /** `error`: the pattern is tried on the text under `Error Message` alone, as long as another wording can match. */
  under: 'error' | 'any'
  pattern: RegExp
}

/** "requests per minute", "calls/day", "request every second", "75/min", "rate limit per minute". */
const COUNTED = String.raw`(?:\d|requests?|calls?|limit|quota) ?(?:/|per|(?:in |within )?an?|each|every|in|within) ?(?:one |1 )?`
/** "Minute-level rate limit", "Per-second rate limit", "daily quota". */
const LIMITED = String.raw`(?:-level)? (?:(?:api|rate|burst|requests?|calls?) )*(?:limit|quota|frequency)`

/** Matches a text about how many requests fit into a unit of time: counted, as a limit with an adjective, or in `others`. */
function allowance(units: string, adjective: string, others: string): RegExp {
  return new RegExp(String.raw`${COUNTED}(?:${units})\b|\b${adjective}${LIMITED}|${others}`, 'i')
}

/**
 * The wordings, in the order in which they are tried, since they overlap and change every year. They were gathered from
 * public reports of 2017 to 2026; each comment quotes the text that the pattern was made for, with the years of the reports.
 */
const WORDINGS: Wording[] = [
  // "the parameter apikey is invalid or missing" (2020-2026)
  {
    class: 'invalid_key',
    under: 'error',
    pattern: /\bapi ?key\b:? (?:(?!valid\b)[^\s.,;:!?]+ ){0,4}(?:invalid|missing|expired|not valid)\b/i,
  },
  {
    class: 'invalid_key',
    under: 'error',
    pattern: /\b(?:invalid|missing|expired)\b[^.,;:!?]{0,12}\bapi ?key\b/i,
  },
  // "Invalid API call. Please retry or visit the documentation … for TIME_SERIES_DAILY." (2017-2026)
  {
    class: 'invalid_symbol',
    under: 'error',
    pattern: /\binvalid (?:api call|inputs?|symbol|ticker|parameter)/i,
  },
  // "This API function (…) does not exist." (2020-2026)
  { class: 'unknown_function', under: 'error', pattern: /\bfunction\b.{0,60}\bdoes not exist\b/i },
  // "… encountered an internal or external error - we apologize for the inconvenience." (2017)
  { class: 'provider_error', under: 'error', pattern: /\b(?:internal|external)\b.{0,20}\berror\b/i },
  // "This is a premium endpoint." (2022-2026), "… is a premium feature for the TIME_SERIES_DAILY endpoint" (2026).
  // The verb is required, because the texts of the limits say "unlock all premium endpoints". This pattern comes before the
  // limits, because the text advertises "600 requests per minute".
  {
    class: 'entitlement',
    under: 'any',
    pattern: /\b(?:is|are) (?:an? )?premium[ -](?:only )?(?:api )?(?:endpoint|feature|function|parameter)/i,
  },
  // "consider spreading out your free API requests … (1 request per second)" (2025-12, 2026), "Burst pattern" (2025).
  // This pattern comes before the daily limit, because the text also says "rate limit (25 requests per day)".
  {
    class: 'burst_limit',
    under: 'any',
    pattern: allowance('sec(?:ond)?', 'second', String.raw`\bspread(?:ing)? out\b|\bburst pattern\b`),
  },
  // "Minute-level rate limit exceed." (2025), "optimizing your API call frequency" (2017), "5 calls per minute and
  // 500 calls per day … a higher API call frequency" (2018-2023). The last text does not say which of the two limits was hit.
  {
    class: 'minute_limit',
    under: 'any',
    pattern: allowance(
      'min(?:ute)?|60 seconds',
      'minute',
      String.raw`\bhigher api call\b|\bapi call frequency\b`,
    ),
  },
  // "our standard API rate limit is 25 requests per day" (2024-2026)
  {
    class: 'daily_limit',
    under: 'any',
    pattern: allowance('day|24 ?h(?:ours)?', '(?:daily|day)', String.raw`\b(?:requests?|calls?) daily\b`),
  },
  // "The **demo** API key is for demo purposes only." (2021-2026)
  { class: 'demo_key', under: 'any', pattern: /\bdemo\b.{0,4} api ?key\b/i },
  // Texts that name no limit, which mean what HTTP 429 means. They are not of class `minute_limit`, which names one.
  {
    class: 'throttled',
    under: 'any',
    pattern:
      /\b(?:rate|request|call|api) limit|\btoo many (?:api )?(?:requests|calls)\b|\bquota\b|\bslow down\b|\bthrottl/i,
  },
]

/** Marks a sentence that sells ("Please subscribe to any of the premium plans …"): the limits that it names are not those that were hit. */
const OFFER = /\b(?:subscribe|upgrade)\b/i

/**
 * Classifies a parsed body; null when the body is no refusal. A text that fits no known wording is `unrecognized`, and so is
 * an object of nothing but plain values, with a text among them, under keys that were never seen before.
 * @returns the class, and the texts that it was found by
 */
export function classifyRefusal(body: unknown): { class: RefusalClass; text: string } | null {
  if (!isRecord(body)) return null
  const keys = REFUSAL_KEYS.filter((key) => Object.hasOwn(body, key))
  const texts = keys.length > 0 ? keys.map((key) => textOf(body[key])) : textsOfUnknownKeys(body)
  if (texts === null) return null
  const text = texts.join(' ')
  return {
    class: classifyText(Object.hasOwn(body, 'Error Message') ? textOf(body['Error Message']) : '', text),
    text,
  }
}

/**
 * Reads the daily limit that the text of a refusal states, such as "our standard API rate limit is 25 requests per day".
 * @param text of a refusal: elsewhere in an answer a limit may be named that is not in force
 * @returns null when the text states none
 */
export function requestsPerDayIn(text: string): number | null {
  const digits = PER_DAY.exec(text.replace(/\s+/g, ' '))?.[1]
  return digits === undefined ? null : Number(digits.replaceAll(',', ''))
}

/** "25 requests per day", "25 requests/day", "1,000 free API calls daily", "25 API requests per 24 hours". */
const PER_DAY =
  /(?<![\d.,])(\d{1,3}(?:,\d{3})+|\d{1,6}) (?:(?:free|daily) )?(?:api )?(?:requests?|calls?)(?: daily\b| ?(?:\/|per|an?|each|every|in|within) ?(?:one |1 )?(?:day|24 ?h(?:ours)?)\b)/i

function classifyText(errorText: string, text: string): RefusalClass {
  const said = text
    .split(/(?<=[.!?]) /)
    .filter((sentence) => !OFFER.test(sentence))
    .join(' ')
  const wording =
    WORDINGS.find(({ under, pattern }) => pattern.test(under === 'error' ? errorText : said)) ??
    WORDINGS.find(({ pattern }) => pattern.test(text))
  return wording?.class ?? 'unrecognized'
}

function textsOfUnknownKeys(body: Record<string, unknown>): string[] | null {
  const values = Object.values(body)
  const hasStructure = values.some((value) => typeof value === 'object' && value !== null)
  const texts = values.filter((value) => typeof value === 'string')
  return hasStructure || texts.length === 0 ? null : texts.map(textOf)
}

/** Puts a text on one line, since the `.` of the patterns stops at a line break, and bounds its length: no refusal is this long. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 10_000).replace(/\s+/g, ' ') : ''
}
