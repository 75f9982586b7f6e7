import { randomBytes } from 'node:crypto'
import { chown, link, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Binaries } from './binaries.js'
import { codeOf, EmbeddedPostgresError, messageOf } from './error.js'
import type { Location } from './location.js'
import { isAlive } from './postmaster.js'
import { run } from './program.js'

export const SUPERUSER = 'stockpile'

/** A data directory and the superuser's password. */
export interface Cluster {
  data: string
  password: string
}

/** Leaves much room: initdb takes one to two seconds on an idle machine. */
const INITDB_TIMEOUT_MS = 120_000

/**
 * Returns the data directory in `location`. When there is none, initdb makes one; `durable: false` makes initdb leave out
 * fsync.
 * @throws EmbeddedPostgresError when the directory is of another major version or not whole, its password cannot be read, or
 *   initdb fails
 */
export async function ensureCluster(
  location: Location,
  binaries: Binaries,
  { durable }: { durable: boolean },
): Promise<Cluster> {
  const data = join(location.folder, 'data')
  const passwordFile = join(location.folder, 'password')
  if (await exists(data)) await checkVersion(data, binaries.major)
  else await initialise(data, passwordFile, location, binaries, durable)
  const password = await readFile(passwordFile, 'utf8').catch((error: unknown) => {
    throw new EmbeddedPostgresError(
      `The password of the database in ${data} cannot be read: put ${passwordFile} back, or move the folder away to start afresh. (${messageOf(error)})`,
    )
  })
  return { data, password }
}

/** Makes a data directory. initdb works under another name, so that a directory named `data` is always whole. */
async function initialise(
  data: string,
  passwordFile: string,
  { folder, account }: Location,
  binaries: Binaries,
  durable: boolean,
): Promise<void> {
  await removeLeftovers(folder)
  await ensurePassword(passwordFile, account)
  const temporary = `${data}.initdb.${process.pid}`
  await mkdir(temporary, { mode: 0o700 })
  if (account !== undefined) await chown(temporary, account.uid, account.gid)
  const args = [
    `--pgdata=${temporary}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-instructions',
    ...(durable ? [] : ['--no-sync']),
  ]
  try {
    await run(binaries.initdb, args, { account, timeoutMs: INITDB_TIMEOUT_MS })
    await rename(temporary, data)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    // Another starter was quicker. Its data directory has the password of the same file.
    if (codeOf(error) === 'ENOTEMPTY' || codeOf(error) === 'EEXIST') return
    throw new EmbeddedPostgresError(
      `PostgreSQL could not make a database in ${folder}: ${messageOf(error).trim()}`,
      { cause: error },
    )
  }
}

/** Makes the file of the password, unless it exists. The link makes the file appear whole, and lets one of two starters win. */
async function ensurePassword(file: string, account: Location['account']): Promise<void> {
  const temporary = `${file}.${process.pid}`
  await writeFile(temporary, randomBytes(24).toString('hex'), { mode: 0o600 })
  // initdb reads the file as the account that will run the server.
  if (account !== undefined) await chown(temporary, account.uid, account.gid)
  try {
    await link(temporary, file)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  } finally {
    await rm(temporary, { force: true })
  }
}

/** Removes what interrupted starts left behind, and spares the files of other starters that are still alive. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = /^(?:data\.initdb|password|staging)\.(\d+)$/.exec(name)?.[1]
    if (pid !== undefined && (Number(pid) === process.pid || !isAlive(Number(pid)))) {
      await rm(join(folder, name), { recursive: true, force: true })
    }
  }
}

async function checkVersion(data: string, major: string): Promise<void> {
  const found = await readFile(join(data, 'PG_VERSION'), 'utf8').catch((error: unknown) => {
    throw new EmbeddedPostgresError(
      codeOf(error) === 'EACCES'
        ? `The data in ${data} belongs to another user: start as that user.`
        : `${data} is not a whole PostgreSQL data directory (it has no PG_VERSION): restore it from a backup, or move it away to start afresh.`,
      { cause: error },
    )
  })
  if (found.trim() !== major) {
    throw new EmbeddedPostgresError(
      `The data in ${data} was written by PostgreSQL ${found.trim()} and this is PostgreSQL ${major}: dump it with the old version and restore it, or move it away to start afresh.`,
    )
  }
}

async function exists(path: string): Promise<boolean> {
  return readdir(path).then(
    () => true,
    (error: unknown) => codeOf(error) !== 'ENOENT',
  )
}
