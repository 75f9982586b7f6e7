import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { RedisProgram } from '@stockpile/test-harness/redis-server'

const run = promisify(execFile)

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/stockpile', import.meta.url))
const DOWNLOAD_TIMEOUT_MS = 120_000

/**
 * Redis as Debian packages it, with the libraries that are not installed, unpacked into node_modules/.cache without
 * root. Throws where there is no apt, no network, or the result does not run.
 */
export async function unpackRedis(): Promise<RedisProgram> {
  const folder = join(CACHE, 'redis')
  const cached = await programIn(folder).catch(() => undefined)
  if (cached !== undefined) return cached

  await run('apt-get', ['--version']).catch(() => {
    throw new Error('There is no apt-get here to download redis-server with.')
  })
  await mkdir(CACHE, { recursive: true })
  const work = await mkdtemp(join(CACHE, 'unpacking-'))
  try {
    const apt = await aptWithLists(work)
    const names = await neededPackages(apt)
    await run('apt-get', [...apt, 'download', ...names], { cwd: work, timeout: DOWNLOAD_TIMEOUT_MS })
    const packages = (await readdir(work)).filter((name) => name.endsWith('.deb'))
    for (const file of packages) await run('dpkg', ['-x', join(work, file), join(work, 'root')])
    await programIn(join(work, 'root'))
    await rm(folder, { recursive: true, force: true })
    await rename(join(work, 'root'), folder)
    return await programIn(folder)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** apt's options: the system's package lists when it has them, else lists fetched into the work folder. */
async function aptWithLists(work: string): Promise<string[]> {
  const common = ['-qq', '-o', 'Debug::NoLocking=1', '-o', 'APT::Sandbox::User=root']
  if (
    await neededPackages(common).then(
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

/** What an installation would add, and therefore what is missing here. */
async function neededPackages(apt: string[]): Promise<string[]> {
  const { stdout } = await run('apt-get', [
    ...apt,
    '-s',
    'install',
    '--no-install-recommends',
    'redis-server',
  ])
  const names = [...stdout.matchAll(/^Inst (\S+)/gm)].flatMap((match) => match[1] ?? [])
  if (names.length === 0) throw new Error('apt would install nothing for redis-server.')
  return names
}

async function programIn(folder: string): Promise<RedisProgram> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true })
  const libraries = files.filter((file) => /\.so(\.|$)/.test(file.name)).map((file) => file.parentPath)
  const server = files.find((file) => file.name === 'redis-server' && file.parentPath.endsWith('/bin'))
  if (server === undefined) throw new Error(`There is no redis-server in ${folder}.`)
  const found = libraries.length === 0 ? {} : { LD_LIBRARY_PATH: [...new Set(libraries)].join(':') }
  const program = { file: join(server.parentPath, server.name), env: found }
  await run(program.file, ['--version'], { env: { ...process.env, ...found }, cwd: dirname(program.file) })
  return program
}
