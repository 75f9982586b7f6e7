import { readFile } from 'node:fs/promises'
import type { Logger } from 'pino'
import { tick } from './in-flight.js'

/** Where the key comes from: the setting itself, or a file. */
export type ApiKey = { value: string } | { file: string }

/** There is no key yet; the message says what is missing. */
export class MissingKeyError extends Error {
  override readonly name = 'MissingKeyError'
}

/**
 * A key file is read before every request, so a rotated key counts from the next one on and no restart is needed.
 * @returns a function that rejects with MissingKeyError when the file cannot be read or is empty
 */
export function apiKeySource(key: ApiKey): () => Promise<string> {
  if ('value' in key) return async () => checked(key.value, 'ALPHAVANTAGE_API_KEY')
  const { file } = key
  return async () => {
    const content = await readFile(file, 'utf8').catch((error: unknown) => {
      const code = error instanceof Error && 'code' in error ? error.code : 'unreadable'
      const reason = code === 'ENOENT' ? 'does not exist' : `cannot be read (${String(code)})`
      throw new MissingKeyError(`the key file ${file} ${reason}`, { cause: error })
    })
    if (content.trim() === '') throw new MissingKeyError(`the key file ${file} is empty`)
    return checked(content, `the key file ${file}`)
  }
}

/** What cannot be a key is as good as none: to send it would only bring a refusal. */
function checked(text: string, where: string): string {
  const key = text.trim()
  if (/^[\x21-\x7E]{1,256}$/.test(key)) return key
  throw new MissingKeyError(`${where} does not hold a key, which is one word of at most 256 plain characters`)
}

const TELL_MS = 10_000

/** The same source, which tells again and again, at most every 10 s, that there is no key; its caller is told as well. */
export function tellWhenMissing(
  apiKey: () => Promise<string>,
  onMissing: () => Promise<void>,
): () => Promise<string> {
  let tellAt = performance.now()
  return async () => {
    try {
      return await apiKey()
    } catch (error) {
      if (error instanceof MissingKeyError && performance.now() >= tellAt) {
        tellAt = performance.now() + TELL_MS
        await onMissing()
      }
      throw error
    }
  }
}

const POLL_MS = 1_000
/** Whoever opens the log should not have to search for why nothing happens. */
const REMIND_MS = 10 * 60_000

/** Waits until there is a key, saying what is missing and how to get one. Returns early when the signal comes. */
export async function waitForApiKey(
  apiKey: () => Promise<string>,
  { logger, signal }: { logger: Logger; signal: AbortSignal },
): Promise<void> {
  let remindAt = performance.now()
  do {
    try {
      await apiKey()
      return
    } catch (error) {
      if (!(error instanceof MissingKeyError)) throw error
      if (performance.now() >= remindAt) {
        logger.warn(
          `waiting for an API key: ${error.message}. ` +
            'A free key is at https://www.alphavantage.co/support/#api-key; write it into the key file (ALPHAVANTAGE_API_KEY_FILE), and work starts by itself.',
        )
        remindAt = performance.now() + REMIND_MS
      }
    }
  } while (await tick(POLL_MS, signal))
}
