import { tick } from '@stockpile/time/wait'
import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import type { Logger } from 'pino'

/** The source of the key: the setting itself, or a file. */
export type ApiKey = { value: string } | { file: string }

/** Thrown while there is no key; the message says what is missing. */
export class MissingKeyError extends Error {
  override readonly name = 'MissingKeyError'
  /** Whether the file exists and cannot be read, so that a new key would not help. */
  readonly isThere: boolean
  constructor(message: string, { isThere = false, cause }: { isThere?: boolean; cause?: unknown } = {}) {
    super(message, { cause })
    this.isThere = isThere
  }
}

/**
 * Makes the function that reads the key. A key file is read before every request, so that a rotated key counts from the next
 * request on, without a restart.
 * @returns a function that rejects with MissingKeyError when the file cannot be read or is empty
 */
export function apiKeySource(key: ApiKey): () => Promise<string> {
  if ('value' in key) return async () => checked(key.value, 'ALPHAVANTAGE_API_KEY')
  const { file } = key
  return async () => {
    const content = await readFile(file, 'utf8').catch(async (error: unknown) => {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
      throw new MissingKeyError(`the key file ${file} ${await whyUnreadable(file, code)}`, {
        isThere: code !== 'ENOENT',
        cause: error,
      })
    })
    if (content.trim() === '') throw new MissingKeyError(`the key file ${file} is empty`)
    return checked(content, `the key file ${file}`)
  }
}

/** Says why a file cannot be read, with the owner and the mode that it has, and the command that mends it. */
async function whyUnreadable(file: string, code: string): Promise<string> {
  if (code === 'ENOENT') return 'does not exist'
  const user = process.geteuid?.()
  if (!['EACCES', 'EPERM'].includes(code) || user === undefined) return `cannot be read (${code})`
  const has = await stat(file).then(
    ({ uid, mode }) => `it belongs to user ${uid} with mode ${(mode & 0o777).toString(8)}, and `,
    () => '',
  )
  return `cannot be read (${code}): ${has}user ${user} must be able to read it, and to enter its folder: chown ${user} ${file}`
}

/** @throws MissingKeyError for a text that cannot be a key: sending it would only bring a refusal */
function checked(text: string, where: string): string {
  const key = text.trim()
  if (/^[\x21-\x7E]{1,256}$/.test(key)) return key
  throw new MissingKeyError(`${where} does not hold a key, which is one word of at most 256 plain characters`)
}

/** Makes a key's fingerprint, 64 bits of its SHA-256 in hex, which tells keys apart and reveals none. */
export function fingerprintOf(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 16)
}

const POLL_MS = 1_000
const HOW_TO_GET_ONE =
  'A free key is at https://www.alphavantage.co/support/#api-key; write it into the key file (ALPHAVANTAGE_API_KEY_FILE), and work starts by itself.'
/** How often the log repeats what is missing, so that the reason is near the end of the log. */
const REMIND_MS = 10 * 60_000

/** Waits until there is a key, and logs what is missing and how to get one. Returns early when `signal` aborts. */
export async function waitForApiKey(
  apiKey: () => Promise<string>,
  { logger, signal }: { logger: Logger; signal: AbortSignal },
): Promise<void> {
  let remindAt = performance.now()
  let said = ''
  do {
    try {
      await apiKey()
      return
    } catch (error) {
      if (!(error instanceof MissingKeyError)) throw error
      if (error.message !== said || performance.now() >= remindAt) {
        said = error.message
        logger.warn(
          `waiting for an API key: ${error.message}. ${error.isThere ? 'Work starts by itself once it can be read.' : HOW_TO_GET_ONE}`,
        )
        remindAt = performance.now() + REMIND_MS
      }
    }
  } while (await tick(POLL_MS, signal))
}
