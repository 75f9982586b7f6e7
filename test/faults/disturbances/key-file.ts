import { rename, writeFile } from 'node:fs/promises'

/** A key that the simulator does not accept. */
export const INVALID_KEY = 'invalid'

/** Replaces the key by renaming a file, so that no worker reads half a key. */
export async function replaceKey(keyFile: string, key: string): Promise<void> {
  await writeFile(`${keyFile}.new`, `${key}\n`)
  await rename(`${keyFile}.new`, keyFile)
}
