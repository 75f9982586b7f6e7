import { execFile } from 'node:child_process'
import { chmod, chown, mkdir, mkdtemp, open, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A file system of some megabytes, to be filled up and freed again. */
export interface SmallDisk {
  /** A folder on it, of the account that it was made for. */
  folder: string
  /** Until nothing more can be written. */
  fill: () => Promise<void>
  free: () => Promise<void>
  remove: () => Promise<void>
}

const CHUNK = Buffer.alloc(64 * 1024)

/**
 * Mounts a tmpfs at a new folder whose name begins so, for which the machine must let this process (root, with CAP_SYS_ADMIN).
 * @param like a folder whose owner the new one gets
 * @returns why this machine has none to give
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
      // Lazily: whoever has files open there still may close them in peace.
      await run('umount', ['--lazy', at])
      await rm(at, { recursive: true, force: true })
    },
  }
}
