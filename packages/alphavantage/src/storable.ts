/** Makes what the provider sent fit for a text or jsonb column of PostgreSQL, in a bounded size. */

const MAX_TEXT = 1_000
const MAX_MEMBERS = 32
const MAX_DEPTH = 4
/** PostgreSQL takes neither U+0000 nor half a surrogate pair, in text or in jsonb. */
const UNSTORABLE = /\0|\p{Surrogate}/gu

/** The text with U+0000 written out as `\u0000` and half surrogate pairs replaced by U+FFFD. */
export function storableText(text: string): string {
  return text.replace(UNSTORABLE, (match) => (match === '\0' ? String.raw`\u0000` : '\uFFFD'))
}

/**
 * A copy of a parsed JSON value with every string, keys included, made storable. A value within the bounds (4 levels,
 * 32 members, 1,000 characters a string) keeps its shape; what is beyond them is cut and says so.
 */
export function storableJson(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return storableText(cut(value))
  if (typeof value !== 'object' || value === null) return value
  if (depth === MAX_DEPTH) return '[nested too deep]'
  if (Array.isArray(value)) {
    return value.slice(0, MAX_MEMBERS).map((member: unknown) => storableJson(member, depth + 1))
  }
  // fromEntries, because assigning to a key named __proto__ would not make a member.
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, MAX_MEMBERS)
      .map(([key, member]) => [storableText(cut(key)), storableJson(member, depth + 1)]),
  )
}

/** A copy of a parsed JSON value with `change` applied to every string, keys included. */
export function mapStrings(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value)
  if (Array.isArray(value)) return value.map((member: unknown) => mapStrings(member, change))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [change(key), mapStrings(member, change)]),
  )
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}… [cut]` : text
}
