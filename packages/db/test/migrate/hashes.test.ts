import { execFileSync } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'

const PACKAGE = fileURLToPath(new URL('../..', import.meta.url))
const MIGRATION = 'migrations/0001_quota.sql'
const HASHES = 'migrations/hashes.json'

/** The folder of a repository whose first commit has today's migrations. */
let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stockpile-hashes-'))
  await cp(join(PACKAGE, 'migrations'), join(folder, 'migrations'), { recursive: true })
  await cp(join(PACKAGE, 'scripts'), join(folder, 'scripts'), { recursive: true })
  git('init', '--quiet')
  commit()
})
afterEach(() => rm(folder, { recursive: true }))

const run = (program: string, ...args: string[]) =>
  execFileSync(program, args, { cwd: folder, encoding: 'utf8' })
const git = (...args: string[]) => run('git', ...args)

function commit(): void {
  git('add', '--all')
  git('-c', 'user.name=test', '-c', 'user.email=test@localhost', 'commit', '--quiet', '--message', 'A commit')
}

function problems(): string {
  return run(
    process.execPath,
    '--input-type=module',
    '--eval',
    `import { hashProblems } from './scripts/hashes.mjs'; console.log(hashProblems().join('\\n'))`,
  ).trim()
}

async function change(path: string, by: (text: string) => string): Promise<void> {
  await writeFile(join(folder, path), by(await readFile(join(folder, path), 'utf8')))
}

test('a migration as it landed has no problem, checked out with CRLF too', async () => {
  expect(problems()).toBe('')
  await change(MIGRATION, (text) => text.replaceAll('\n', '\r\n'))
  expect(problems()).toBe('')
})

test('a migration that landed and was changed, or is gone, is named', async () => {
  await change(MIGRATION, (text) => `${text} `)
  expect(problems()).toMatch(
    /^0001_quota.sql is not what migrations\/hashes.json says: .* put the change into a new migration/,
  )
  await rm(join(folder, MIGRATION))
  expect(problems()).toBe('0001_quota.sql has landed and is gone: bring it back.')
})

test('a hash that was committed cannot be changed with its migration, by hand or by the command', async () => {
  await change(MIGRATION, (text) => `${text} `)
  run(process.execPath, 'scripts/hashes.mjs', '--write')
  expect(problems()).toMatch(/^0001_quota.sql is not what/)
  await change(HASHES, (text) => text.replace(/("0001_quota": ")\w+/, `$1${'0'.repeat(64)}`))
  commit()
  expect(problems()).toMatch(
    /had another hash for 0001_quota in \w+: a hash that was committed never changes/,
  )
})

test('a new migration needs its hash, which may change until it is committed', async () => {
  await writeFile(join(folder, 'migrations/0099_new.sql'), 'SELECT 1;')
  expect(problems()).toMatch(/^0099_new.sql has no hash in migrations\/hashes.json: run/)
  run(process.execPath, 'scripts/hashes.mjs', '--write')
  expect(problems()).toBe('')
  await writeFile(join(folder, 'migrations/0099_new.sql'), 'SELECT 2;')
  run(process.execPath, 'scripts/hashes.mjs', '--write')
  expect(problems()).toBe('')
})
