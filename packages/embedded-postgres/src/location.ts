import { createHash } from 'node:crypto'
import { chmod, chown, mkdir, readlink, realpath, stat, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { codeOf, EmbeddedPostgresError } from './error.js'
import { type Account, run } from './program.js'

/** Where root's clusters go when the account that runs the server cannot reach the folder that was asked for. */
const SYSTEM_FOLDER = '/var/lib/stockpile'
/** In this order: macOS's, Debian's and the postgres image's own account, then the one that every Unix has. */
const UNPRIVILEGED_USERS = ['_postgres', 'postgres', 'nobody']
const PROGRAM_TIMEOUT_MS = 10_000

export interface Location {
  /** The folder that really holds data, password and log. */
  folder: string
  account: Account
}

/**
 * Makes `directory` and says where its cluster lives and who runs it. PostgreSQL refuses to run as root, so root
 * starts it as the owner of the existing data, or else as an account without rights; when that one cannot reach
 * `directory` (a 0700 home above it), the cluster goes to /var/lib/stockpile and a link `location` stays behind.
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
    // The link outlives its target when /var/lib did not survive (a container): start afresh there.
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
    // macOS writes nobody's id as -2.
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
