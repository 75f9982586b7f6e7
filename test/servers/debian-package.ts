import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/stockpile', import.meta.url))
const DOWNLOAD_TIMEOUT_MS = 120_000

/**
 * Downloads a package of Debian with the dependencies that are not installed, and unpacks it without root into
 * node_modules/.cache, where the next call finds it.
 * @param find looks for the wanted program in a folder; rejects when the program is missing or does not run
 * @throws Error where there is no apt, no network, or `find` rejects
 */
export async function unpackDebian<T>(name: string, find: (folder: string) => Promise<T>): Promise<T> {
  const folder = join(CACHE, name)
  const cached = await find(folder).catch(() => undefined)
  if (cached !== undefined) return cached

  await run('apt-get', ['--version']).catch(() => {
    throw new Error(`There is no apt-get here to download ${name} with.`)
  })
  await mkdir(CACHE, { recursive: true })
  const work = await mkdtemp(join(CACHE, 'unpacking-'))
  try {
    const apt = await aptWithLists(name, work)
    const names = await neededPackages(name, apt)
    await run('apt-get', [...apt, 'download', ...names], { cwd: work, timeout: DOWNLOAD_TIMEOUT_MS })
    const packages = (await readdir(work)).filter((file) => file.endsWith('.deb'))
    for (const file of packages) await run('dpkg', ['-x', join(work, file), join(work, 'root')])
    await find(join(work, 'root'))
    await rm(folder, { recursive: true, force: true })
    await rename(join(work, 'root'), folder)
    return await find(folder)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Returns the options for apt: with the system's package lists if there are any, else with lists fetched into `work`. */
async function aptWithLists(name: string, work: string): Promise<string[]> {
  const common = ['-qq', '-o', 'Debug::NoLocking=1', '-o', 'APT::Sandbox::User=root']
  if (
    await neededPackages(name, common).then(
      () => true,
      () => false,
    )
  )
    return common
  const lists = join(work, 'lists')
  const cache = join(work, 'cache')
  await mkdir(join(lists, 'partial'), { recursive: true })
  await mkdir(join(cache, 'archives', 'partial'), { recursive: true })
  const own = [...common, '-o', `Dir::State::lists=${lists}`, '-o', `Dir::Cache=${cache}`]
  await run('apt-get', [...own, 'update'], { timeout: DOWNLOAD_TIMEOUT_MS })
  return own
}

/** Returns the packages that an installation would add, which are the missing ones. */
async function neededPackages(name: string, apt: string[]): Promise<string[]> {
  const { stdout } = await run('apt-get', [...apt, '-s', 'install', '--no-install-recommends', name])
  const names = [...stdout.matchAll(/^Inst (\S+)/gm)].flatMap((match) => match[1] ?? [])
  if (names.length === 0) throw new Error(`apt would install nothing for ${name}.`)
  return names
}
