/**
 * Sources of regular expressions, for the flag `i`, that find a secret in the forms in which servers and proxies repeat it.
 * Every quantifier is bounded, since hostile text such as `\\\\…` would otherwise take long.
 */

/** The names in HTML of characters that are neither letters nor digits. */
const NAMES: Readonly<Record<string, string>> = {
  '!': 'excl',
  '"': 'quot',
  '#': 'num',
  $: 'dollar',
  '%': 'percnt',
  '&': 'amp',
  "'": 'apos',
  '(': 'lpar',
  ')': 'rpar',
  '*': '(?:mid)?ast',
  '+': 'plus',
  ',': 'comma',
  '.': 'period',
  '/': 'sol',
  ':': 'colon',
  ';': 'semi',
  '<': 'lt',
  '=': 'equals',
  '>': 'gt',
  '?': 'quest',
  '@': 'commat',
  '[': 'l(?:sqb|brack)',
  '\\': 'bsol',
  ']': 'r(?:sqb|brack)',
  '^': 'hat',
  _: '(?:lowbar|underbar)',
  '`': '(?:diacritical)?grave',
  '{': 'l(?:cub|brace)',
  '|': '(?:verbar|vert|verticalline)',
  '}': 'r(?:cub|brace)',
}

/** Matches an ampersand, encoded up to four times over. */
const AMPERSAND = String.raw`(?:&|\\{1,4}u0026|%(?:25){0,3}26)(?:amp;|#38;|#x26;){0,3}`

/**
 * Matches a text plain, percent-encoded (once or several times, a blank as `+`), escaped as in JSON and programs, or as
 * entities of HTML (decimal, hexadecimal, by name). Each character may have its own form, since encoders differ in which
 * characters they encode.
 */
export function escapedSource(text: string): string {
  return Array.from(text, escapedCharacter).join('')
}

function escapedCharacter(character: string): string {
  const code = character.charCodeAt(0)
  const hex = code.toString(16).padStart(2, '0')
  const name = NAMES[character]
  // The longer forms come first, since the character `%` begins its own percent-encoded form.
  const forms = [
    `${AMPERSAND}#(?:0{0,6}${code}|x0{0,6}${hex});?`,
    ...(name === undefined ? [] : [`${AMPERSAND}${name};?`]),
    `%(?:25){0,3}${hex}`,
    ...(character === ' ' ? [String.raw`\+`, '%(?:25){0,3}2b'] : []),
    String.raw`\\{1,4}(?:u00${hex}|x${hex}|u\{0{0,4}${hex}\})`,
    String.raw`\\{0,4}\x${hex}`,
  ]
  return `(?:${forms.join('|')})`
}

/** Matches bytes in hex, with the separators that dumps and programs put between them: `43 41`, `43:41`, `0x43, 0x41`. */
export function hexSource(bytes: Buffer): string {
  const digits = [...bytes].map((byte) => byte.toString(16).padStart(2, '0'))
  return digits.join(String.raw`[\s:,;-]{0,2}(?:0x|\\{1,4}x)?`)
}

/**
 * Match base64 of any text that contains the bytes, one source for each of the three places that the first byte can have in a
 * group of three. Both alphabets, line breaks, and escaped `+` and `/` are matched.
 */
export function base64Sources(bytes: Buffer): string[] {
  return [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64')
    const end = shift + bytes.length
    // `own` are the characters made of bits of these bytes alone. A character at either end may share bits with a neighbour.
    const own = text.slice(Math.ceil((shift * 8) / 6), Math.floor((end * 8) / 6))
    const source = Array.from(own, base64Character).join(LINE_BREAK)
    return `${shift === 0 ? '' : `(?:${SIGN}${LINE_BREAK})?`}${source}${end % 3 === 0 ? '' : `(?:${LINE_BREAK}${SIGN})?`}`
  })
}

const SIGN = '[a-z0-9+/_-]'
const LINE_BREAK = String.raw`(?:\s|\\{1,4}[rn]){0,4}`

function base64Character(character: string): string {
  if (character === '+') return `(?:-|${escapedCharacter('+')})`
  return character === '/' ? `(?:_|${escapedCharacter('/')})` : character
}
