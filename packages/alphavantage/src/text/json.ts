/** What JSON.parse does not tell about a body. */

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Whether an object anywhere in `text` has the same key twice: JSON.parse keeps the last one without a word, so
 * the keys in the text are counted against the keys that came out. `parsed` is what JSON.parse made of `text`.
 */
export function hasRepeatedKey(text: string, parsed: unknown): boolean {
  return countKeysInText(text) !== countKeys(parsed)
}

/** Keys of valid JSON text: its strings that a colon follows. */
function countKeysInText(text: string): number {
  let keys = 0
  for (let open = text.indexOf('"'); open !== -1;) {
    const close = closingQuote(text, open)
    if (close === -1) return keys
    const next = skipWhitespace(text, close + 1)
    if (text[next] === ':') keys++
    open = text.indexOf('"', next)
  }
  return keys
}

/** Where the string that begins at `open` ends; -1 when it does not. */
function closingQuote(text: string, open: number): number {
  let close = text.indexOf('"', open + 1)
  while (close !== -1 && isEscaped(text, close)) close = text.indexOf('"', close + 1)
  return close
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0
  while (text[at - 1 - backslashes] === '\\') backslashes++
  return backslashes % 2 === 1
}

function skipWhitespace(text: string, from: number): number {
  let at = from
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at++
  return at
}

/**
 * The members of an object, in their order, each value as its text: also those whose key comes again, of which
 * JSON.parse keeps the last alone.
 * @param text an object that JSON.parse accepts
 */
export function membersOf(text: string): { key: string; value: string }[] {
  const members: { key: string; value: string }[] = []
  for (let at = skipWhitespace(text, text.indexOf('{') + 1); text[at] === '"';) {
    const behindKey = closingQuote(text, at) + 1
    const from = skipWhitespace(text, behindKey) + 1
    const to = endOfValue(text, from)
    members.push({ key: String(JSON.parse(text.slice(at, behindKey))), value: text.slice(from, to) })
    at = skipWhitespace(text, to + 1)
  }
  return members
}

/** Where the comma or the brace behind a member's value stands. */
function endOfValue(text: string, from: number): number {
  let depth = 0
  for (let at = from; at < text.length; at++) {
    const character = text[at]
    if (character === '"') at = closingQuote(text, at)
    else if (character === '{' || character === '[') depth++
    else if (depth === 0 && (character === ',' || character === '}')) return at
    else if (character === '}' || character === ']') depth--
  }
  return text.length
}

/** With a stack of its own: a hostile body can be nested deeper than the call stack. */
function countKeys(parsed: unknown): number {
  const open: unknown[] = [parsed]
  let keys = 0
  while (open.length > 0) {
    const value = open.pop()
    if (typeof value !== 'object' || value === null) continue
    const members: unknown[] = Array.isArray(value) ? value : Object.values(value)
    if (!Array.isArray(value)) keys += members.length
    for (const member of members) if (typeof member === 'object') open.push(member)
  }
  return keys
}
