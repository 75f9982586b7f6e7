import { rename, writeFile } from 'node:fs/promises'
import { faketimeLibrary } from './faketime.js'

/** A clock for all processes that get `variables`: they read it from a file each time, so it moves for all at once. */
export interface SettableClock {
  variables: Record<string, string>
  /** Sets the clock `ahead` hours ahead of the machine's. */
  set: (ahead: number) => Promise<void>
}

/**
 * Makes a settable clock. Monotonic time, which timers use, is left alone, as on a machine whose clock is set.
 * @param file where the clock's offset is written
 * @throws Error where there is no libfaketime
 */
export async function startSettableClock(file: string): Promise<SettableClock> {
  const library = await faketimeLibrary()
  const set = async (ahead: number) => {
    // A rename, so that no process reads half of the file.
    await writeFile(`${file}.new`, `+${ahead * 3_600}`, { mode: 0o644 })
    await rename(`${file}.new`, file)
  }
  await set(0)
  return {
    variables: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
    set,
  }
}
