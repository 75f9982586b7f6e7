import { readFile } from 'node:fs/promises'
import { ConfigError } from './config.js'

/**
 * Where the key comes from. A key file is read before every request, so a rotated key counts from the next one
 * on and no restart is needed.
 * @returns a function that rejects with ConfigError when the file cannot be read or is empty
 */
export function apiKeySource(key: {
  value: string | undefined
  file: string | undefined
}): () => Promise<string> {
  const { value, file } = key
  if (file === undefined) {
    if (value === undefined) throw new ConfigError('ALPHAVANTAGE_API_KEY: is not set')
    return () => Promise.resolve(value)
  }
  return async () => {
    const content = await readFile(file, 'utf8').catch((error: unknown) => {
      throw new ConfigError(`ALPHAVANTAGE_API_KEY_FILE: ${file} cannot be read`, { cause: error })
    })
    const text = content.trim()
    if (text === '') throw new ConfigError(`ALPHAVANTAGE_API_KEY_FILE: ${file} is empty`)
    return text
  }
}
