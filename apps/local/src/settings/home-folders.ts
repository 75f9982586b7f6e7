import type { Stats } from 'node:fs'
import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { codeOf, messageOf, StartError } from '../errors.js'

/**
 * Makes `home` and folders of these names in it, and tries to write in each: modes say nothing to root, and nothing of a
 * read-only disk.
 * @throws StartError that says what is in the way
 */
export async function prepareHomeFolders(home: string, names: readonly string[]): Promise<void> {
  for (const folder of [home, ...names.map((name) => join(home, name))]) {
    try {
      // As root, PostgreSQL runs as another account, which must pass through the folder.
      await mkdir(folder, { recursive: true, mode: 0o755 })
      await tryToWrite(folder)
    } catch (error) {
      throw new StartError(`${await reasonFor(folder, error)} STOCKPILE_HOME names another folder.`, {
        cause: error,
      })
    }
  }
}

async function tryToWrite(folder: string): Promise<void> {
  const probe = join(folder, `.write-test.${process.pid}`)
  await writeFile(probe, '')
  await rm(probe)
}

async function reasonFor(folder: string, failure: unknown): Promise<string> {
  const { path: deepest, found } = await deepestExisting(folder)
  if (!found.isDirectory()) return `${deepest} is a file, and a folder is needed there: move it away.`
  const what = deepest === folder ? folder : `${folder} cannot be made: ${deepest}`
  // Node's mkdir says ENOENT on a read-only file system, so that only a write tells the reason.
  const error = await tryToWrite(deepest).then(
    () => failure,
    (why: unknown) => why,
  )
  switch (codeOf(error)) {
    case 'EROFS':
      return `${what} is on a read-only file system.`
    case 'ENOSPC':
    case 'EDQUOT':
      return `${what} is on a disk without room left.`
    case 'EACCES':
    case 'EPERM':
      return `${what} exists, but this user may not write in it: it belongs to user ${found.uid}, with mode ${(found.mode & 0o7777).toString(8)}.`
    case undefined:
    default:
      return `${folder} cannot be used: ${messageOf(error)}.`
  }
}

async function deepestExisting(path: string): Promise<{ path: string; found: Stats }> {
  for (let current = path; ; current = dirname(current)) {
    const found = await stat(current).catch(() => undefined)
    if (found !== undefined) return { path: current, found }
    if (current === dirname(current)) throw new Error(`${path} has no root`)
  }
}
