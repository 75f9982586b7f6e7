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
    let close = text.indexOf('"', open + 1)
    while (close !== -1 && isEscaped(text, close)) close = text.indexOf('"', close + 1)
    if (close === -1) return keys
    const next = skipWhitespace(text, close + 1)
    if (text[next] === ':') keys++
    open = text.indexOf('"', next)
  }
  return keys
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
