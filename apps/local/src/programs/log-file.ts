import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { codeOf } from '../errors.js'

const MAX_BYTES = 10 * 1024 * 1024

export interface LogFile {
  path: string
  /** Appends a line. A line that cannot be written is dropped: a full disk must not stop the program that logs. */
  write(line: string): void
  close(): void
}

/** Starts a new file. The file of the last start, or a part that grew past `maxBytes`, stays as `path.1`. */
export function openLogFile(path: string, maxBytes = MAX_BYTES): LogFile {
  mkdirSync(dirname(path), { recursive: true })
  const rotate = () => {
    try {
      renameSync(path, `${path}.1`)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
    }
    return openSync(path, 'a', 0o600)
  }
  let file = rotate()
  let bytes = fstatSync(file).size
  return {
    path,
    write(line) {
      try {
        if (bytes > maxBytes) {
          closeSync(file)
          file = rotate()
          bytes = 0
        }
        bytes += writeSync(file, `${line}\n`)
      } catch {
        // A full disk: the line is dropped.
      }
    },
    close: () => closeSync(file),
  }
}
