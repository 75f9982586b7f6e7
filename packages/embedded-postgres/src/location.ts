import { createHash } from 'node:crypto'
import { chmod, chown, mkdir, readlink, realpath, stat, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { codeOf, EmbeddedPostgresError } from './error.js'
import { type Account, run } from './program.js'

/** Holds the clusters of root whose account cannot reach the folder that was asked for. */
const SYSTEM_FOLDER = '/var/lib/stockpile'
/** Accounts in order of preference: macOS's own, that of Debian and the postgres image, then one that every Unix has. */
const UNPRIVILEGED_USERS = ['_postgres', 'postgres', 'nobody']
const PROGRAM_TIMEOUT_MS = 10_000

/** Where a cluster lives, and who runs its server. */
export interface Location {
  /** The folder that holds data, password and log, which may be another than the one asked for. */
  folder: string
  account: Account
}

/**
 * Makes `directory`, and decides where its cluster lives and who runs its server. PostgreSQL refuses to run as root, so root
 * starts the server as the owner of the data, or as an account without rights. When that account cannot reach `directory`
 * (a 0700 home above it), the cluster lives in /var/lib/stockpile, and the link `location` in `directory` points there.
 * @param log called when the data is not in `directory`
 * @throws EmbeddedPostgresError when no account can run the server, or the owner of the data cannot reach it
 */
export async function locate(directory: string, log: (line: string) => void): Promise<Location> {
  await mkdir(directory, { recursive: true, mode: 0o755 })
  const home = await realpath(directory)
  const moved = await readlink(join(home, 'location')).catch(() => undefined)
  const folder = moved ?? home
  if (process.getuid?.() !== 0) return { folder, account: undefined }

  const owner = await dataOwner(folder)
  const account = owner ?? (await unprivilegedAccount())
  if (moved !== undefined) {
    // In a new container the link may have outlived its target in /var/lib: the cluster is made afresh there.
    await mkdir(moved, { recursive: true, mode: 0o755 })
    log(`PostgreSQL's data is in ${moved}`)
    return { folder: moved, account }
  }
  if (await canEnter(home, account)) return { folder, account }
  if (await canEnter(dirname(home), account)) {
    await chown(home, account.uid, account.gid)
    return { folder, account }
  }
  if (owner !== undefined) {
    throw new EmbeddedPostgresError(
      `The data in ${home} belongs to user ${owner.uid}, who cannot enter the folders above it: make them passable (chmod a+x) or move the data.`,
    )
  }
  const name = createHash('sha256').update(home).digest('hex').slice(0, 12)
  const elsewhere = join(SYSTEM_FOLDER, name)
  for (const made of [SYSTEM_FOLDER, elsewhere]) {
    await mkdir(made, { recursive: true })
    await chmod(made, 0o755)
  }
  await symlink(elsewhere, join(home, 'location')).catch((error: unknown) => {
    if (codeOf(error) !== 'EEXIST') throw error
  })
  log(
    `PostgreSQL does not run as root, and user ${account.uid} cannot enter ${home}: its data is in ${elsewhere}`,
  )
  return { folder: elsewhere, account: (await dataOwner(elsewhere)) ?? account }
}

/** Returns the owner of the data in a folder; undefined when there is no data, or root owns it. */
async function dataOwner(folder: string): Promise<Account> {
  const found = await stat(join(folder, 'data')).catch(() => undefined)
  return found === undefined || found.uid === 0 ? undefined : { uid: found.uid, gid: found.gid }
}

async function unprivilegedAccount(): Promise<NonNullable<Account>> {
  for (const user of UNPRIVILEGED_USERS) {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map((flag) =>
        run('id', [flag, user], { account: undefined, timeoutMs: PROGRAM_TIMEOUT_MS }),
      ),
    ).catch(() => [])
    // macOS writes the id of `nobody` as -2, which `>>> 0` turns into the unsigned id.
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 }
  }
  throw new EmbeddedPostgresError(
    `PostgreSQL does not run as root and this system has no user ${UNPRIVILEGED_USERS.join(' or ')}: start as an ordinary user.`,
  )
}

async function canEnter(folder: string, account: NonNullable<Account>): Promise<boolean> {
  return run('/bin/sh', ['-c', 'cd "$0"', folder], { account, timeoutMs: PROGRAM_TIMEOUT_MS }).then(
    () => true,
    () => false,
  )
}
