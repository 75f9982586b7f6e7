import { base64Sources, escapedSource, hexSource } from './encodings.js'

export type Redact = (text: string) => string

/** Redacts nothing: for where there is no key, or none yet. */
export const asIs: Redact = (text) => text

const PLACEHOLDER = '[redacted]'
/** The key of Alpha Vantage's own documentation. It is public, and its refusal could not be read without the word. */
const PUBLIC_KEY = 'demo'
/** In hex or base64 a shorter one would be a few characters, which come up anywhere. Alpha Vantage's have 16. */
const LEAST_ENCODED_BYTES = 6

/**
 * Makes the function that takes `key` out of any text, by its value and in either case: as it is, escaped in some way
 * (see `escapedSource`), or in hex or base64, of the key itself or of it as a URL or JSON has it.
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
