// Makes text and JSON of the provider fit for a text or jsonb column of PostgreSQL, in a bounded size.

import type { Redact } from './redact.js'

const MAX_TEXT = 1_000
const MAX_MEMBERS = 32
const MAX_DEPTH = 4
/** PostgreSQL takes neither U+0000 nor half a surrogate pair, in text or in jsonb. */
const UNSTORABLE = /\0|\p{Surrogate}/gu

/** Writes U+0000 out as `\u0000` and replaces half surrogate pairs by U+FFFD. */
export function storableText(text: string): string {
  return text.replace(UNSTORABLE, (match) => (match === '\0' ? String.raw`\u0000` : '\uFFFD'))
}

/**
 * Copies a parsed JSON value with every string, keys included, redacted and made storable. A value within the bounds (4
 * levels, 32 members, 1,000 characters a string) keeps its shape. Beyond them strings and levels are cut and say so, and
 * members are dropped.
 */
export function storableJson(value: unknown, redact: Redact, depth = 0): unknown {
  // A string is redacted before it is cut: a cut through the API key would leave a part that is not recognised.
  const keep = (text: string): string => storableText(cut(redact(text)))
  if (typeof value === 'string') return keep(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth === MAX_DEPTH) return '[nested too deep]'
  if (Array.isArray(value)) {
    return value.slice(0, MAX_MEMBERS).map((member: unknown) => storableJson(member, redact, depth + 1))
  }
  // Assigning to a key named __proto__ would not make a member; Object.fromEntries does.
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, MAX_MEMBERS)
      .map(([key, member]) => [keep(key), storableJson(member, redact, depth + 1)]),
  )
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}… [cut]` : text
}
