// What JSON.parse does not tell about a body: repeated keys.

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Whether an object anywhere in `text` has a key twice. JSON.parse keeps the last of two without a word, so the keys in the
 * text are counted and compared with the number of keys in the result.
 * @param parsed the value that JSON.parse made of `text`
 */
export function hasRepeatedKey(text: string, parsed: unknown): boolean {
  return countKeysInText(text) !== countKeys(parsed)
}

/** Counts the keys of valid JSON text: the strings that a colon follows. */
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

/** The index of the quote that ends the string which begins at `open`; -1 when there is none. */
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
 * Lists the members of an object in their order, each value as its text. Members with equal keys are all listed, of which
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

/** The index of the comma or the brace behind a member's value. */
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

/** Counts the keys of all objects in a value. It keeps its own stack, since a hostile body can be nested deeper than the call stack. */
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
