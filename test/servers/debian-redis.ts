import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { RedisProgram } from '@stockpile/test-harness/redis-server'
import { unpackDebian } from './debian-package.js'

const run = promisify(execFile)

/** Unpacks Debian's redis-server. Rejects where there is no apt, no network, or the program does not run. */
export function unpackRedis(): Promise<RedisProgram> {
  return unpackDebian('redis-server', programIn)
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
