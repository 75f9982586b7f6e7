import type { WriteStream } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { BackupFileError } from './backup-file.js'

/** A file that gets its name once it is whole. */
export interface PartialFile {
  /** The stream closes the file when it ends or fails; all that it wrote is then on the disk. */
  createWriteStream(): WriteStream
  /** Gives the file its name. @throws BackupFileError when another backup into the same file began meanwhile */
  complete(): Promise<void>
  /** Removes the file. */
  discard(): Promise<void>
}

/** Creates `path` with `.partial` behind it, readable by this user alone, in place of a file that a killed program left. */
export async function createPartialFile(path: string): Promise<PartialFile> {
  const partial = `${path}.partial`
  await rm(partial, { force: true })
  const file = await open(partial, 'wx', 0o600)
  const { ino } = await file.stat()
  // Another backup takes this file for left over, and replaces it.
  const isOurs = async () =>
    stat(partial).then(
      (found) => found.ino === ino,
      () => false,
    )
  return {
    createWriteStream: () => file.createWriteStream({ flush: true }),
    async complete() {
      if (!(await isOurs()))
        throw new BackupFileError(
          `Another backup into ${path} began before this one was whole: this one is lost. Give each a file of its own.`,
        )
      await rename(partial, path)
    },
    async discard() {
      await file.close()
      if (await isOurs()) await rm(partial, { force: true })
    },
  }
}
