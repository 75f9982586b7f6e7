import { base64Sources, escapedSource, hexSource } from './encodings.js'

/** Replaces a secret in a text by a placeholder. */
export type Redact = (text: string) => string

/** Redacts nothing; to be used where there is no key, or none yet. */
export const asIs: Redact = (text) => text

const PLACEHOLDER = '[redacted]'
/** The key of Alpha Vantage's own documentation, which is public. Its refusal says the word, and would be unreadable without. */
const PUBLIC_KEY = 'demo'
/** A shorter key is not looked for in hex or base64, where it would be a few characters that come up anywhere. Alpha Vantage's keys have 16. */
const LEAST_ENCODED_BYTES = 6

/**
 * Makes the function that replaces `key` in any text by a placeholder, in upper or lower case: plain, escaped (see
 * `escapedSource`), and in hex or base64, of the plain key or of its form in a URL or in JSON.
 */
export function redactorOf(key: string): Redact {
  if (key === '' || key === PUBLIC_KEY) return asIs
  const patterns = sourcesOf(key).map((source) => new RegExp(source, 'gi'))
  return (text) => patterns.reduce((rest, pattern) => rest.replace(pattern, PLACEHOLDER), text)
}

function sourcesOf(key: string): string[] {
  const written = new Set([
    key,
    encodeURIComponent(key),
    new URLSearchParams({ key }).toString().slice('key='.length),
    JSON.stringify(key).slice(1, -1),
  ])
  const encoded = [...written]
    .map((text) => Buffer.from(text))
    .filter((bytes) => bytes.length >= LEAST_ENCODED_BYTES)
  return [escapedSource(key), ...encoded.flatMap((bytes) => [hexSource(bytes), ...base64Sources(bytes)])]
}
