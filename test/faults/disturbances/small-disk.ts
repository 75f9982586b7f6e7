import { execFile } from 'node:child_process'
import { chmod, chown, mkdir, mkdtemp, open, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A file system of some mebibytes that a scenario fills up and frees again. */
export interface SmallDisk {
  /** A folder on the disk, owned by the account that shall write there. */
  folder: string
  /** Writes until the disk is full. */
  fill: () => Promise<void>
  free: () => Promise<void>
  remove: () => Promise<void>
}

const CHUNK = Buffer.alloc(64 * 1024)

/**
 * Mounts a tmpfs at a new folder, which takes root with CAP_SYS_ADMIN.
 * @param prefix the beginning of the folder's path
 * @param like a folder whose owner becomes the owner of `SmallDisk.folder`
 * @returns the disk, or a sentence that says why this machine cannot mount one
 */
export async function mountSmallDisk(
  prefix: string,
  mebibytes: number,
  like: string,
): Promise<SmallDisk | string> {
  const at = await mkdtemp(`${prefix}_`)
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', at])
  } catch (error) {
    await rm(at, { recursive: true })
    return `No small disk could be mounted: ${error instanceof Error ? error.message : String(error)}`
  }
  const folder = join(at, 'files')
  const filler = join(at, 'filler')
  const { uid, gid } = await stat(like)
  await chmod(at, 0o755)
  await mkdir(folder)
  await chown(folder, uid, gid)
  return {
    folder,
    async fill() {
      const file = await open(filler, 'a')
      try {
        for (;;) await file.appendFile(CHUNK)
      } catch (error) {
        if (!(error instanceof Error) || !('code' in error) || error.code !== 'ENOSPC') throw error
      } finally {
        await file.close()
      }
    },
    free: () => rm(filler, { force: true }),
    async remove() {
      // A lazy unmount lets processes close the files that they still have open there.
      await run('umount', ['--lazy', at])
      await rm(at, { recursive: true, force: true })
    },
  }
}
