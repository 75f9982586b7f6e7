export type Redact = (text: string) => string

/** Redacts nothing: for where there is no key, or none yet. */
export const asIs: Redact = (text) => text

const PLACEHOLDER = '[redacted]'
/** The key of Alpha Vantage's own documentation. It is public, and its refusal could not be read without the word. */
const PUBLIC_KEY = 'demo'

/**
 * Makes the function that takes `key` out of any text, by its value: as it is, percent-encoded (once or several times,
 * a blank as `+`) or escaped as in JSON, in either case. Character by character, because encoders differ in which
 * characters they encode.
 */
export function redactorOf(key: string): Redact {
  if (key === '' || key === PUBLIC_KEY) return asIs
  const pattern = new RegExp(Array.from(key, sourceOf).join(''), 'gi')
  return (text) => text.replace(pattern, PLACEHOLDER)
}

/** A regular expression's source for one ASCII character in all its forms; bounded, or `\\\\\\…` would take long. */
function sourceOf(character: string): string {
  const code = character.charCodeAt(0).toString(16).padStart(2, '0')
  const forms = [
    String.raw`\\{0,4}\x${code}`,
    String.raw`\\{1,4}u00${code}`,
    `%(?:25){0,3}${code}`,
    ...(character === ' ' ? [String.raw`\+`, '%(?:25){0,3}2b'] : []),
  ]
  return `(?:${forms.join('|')})`
}
