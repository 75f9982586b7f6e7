import { rename, writeFile } from 'node:fs/promises'
import { faketimeLibrary } from './faketime.js'

/** The clock of all processes that get these variables: they read it from a file each time, so that it moves for all at once. */
export interface SettableClock {
  variables: Record<string, string>
  /** @param ahead of the machine's clock, in hours; 0: as it is */
  set: (ahead: number) => Promise<void>
}

/**
 * Time that is counted from a start, as timers do, is not moved, as on a machine whose clock is set.
 * @throws where there is no libfaketime
 */
export async function startSettableClock(file: string): Promise<SettableClock> {
  const library = await faketimeLibrary()
  const set = async (ahead: number) => {
    // Nobody finds it half written.
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
