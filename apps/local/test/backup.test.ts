import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createDatabase } from '@stockpile/test-harness/database'
import { useProcesses, waitFor } from '@stockpile/test-harness/process'
import postgres from 'postgres'
import { afterEach, beforeEach, expect, test } from 'vitest'

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const BACKUP = fileURLToPath(new URL('../dist/backup/main.js', import.meta.url))
const NO_ENV_FILE = '/nowhere/.env'
const PATIENT = { deadlineMs: 60_000 }

const processes = useProcesses()
let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stockpile-backup-'))
  // As root, PostgreSQL runs as another user, which must pass through the folder.
  await chmod(folder, 0o755)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const homeOf = (name: string) => ({ STOCKPILE_HOME: join(folder, name) })

/** Runs `npm run backup` or `npm run restore` to its end. */
async function run(command: 'backup' | 'restore', home: string, file: string) {
  const process = processes.start(BACKUP, {
    args: [command, NO_ENV_FILE, join(folder, file)],
    env: homeOf(home),
  })
  return { code: await process.waitForExit(PATIENT), lines: process.lines }
}

test('npm start is backed up while it runs and when it does not, and goes on elsewhere from what was restored', async () => {
  const first = processes.start(MAIN, { env: { ...homeOf('a'), PORT: '0', SYMBOLS: 'IBM' } })
  await first.waitForLine(/Ctrl-C stops everything/, PATIENT)
  const running = await run('backup', 'a', 'running.backup')
  expect(running).toEqual({
    code: 0,
    lines: [
      expect.stringMatching(
        /^Backed up database stockpile_simulated \(made-up prices\): \d+ rows of \d+ tables, in /,
      ),
    ],
  })
  // The backup left the server of npm start running, with its rows.
  const refused = await run('restore', 'a', 'running.backup')
  expect(refused.code).toBe(1)
  expect(refused.lines.join('\n')).toContain('has rows already')
  first.signal('SIGINT')
  expect(await first.waitForExit(PATIENT)).toBe(0)

  expect((await run('backup', 'a', 'stopped.backup')).code).toBe(0)
  const restored = await run('restore', 'b', 'stopped.backup')
  expect(restored.lines.join('\n')).toMatch(
    /^Restored database stockpile_simulated \(made-up prices\) as of .+ rows of \d+ tables\./,
  )
  expect(restored.code).toBe(0)
  const second = processes.start(MAIN, { env: { ...homeOf('b'), PORT: '0', SYMBOLS: 'IBM' } })
  await second.waitForLine(/already here: 1 symbol, 100 rows; newest first: IBM 100 rows/, PATIENT)
  await second.waitForLine(/Ctrl-C stops everything/, PATIENT)
  second.signal('SIGINT')
  expect(await second.waitForExit(PATIENT)).toBe(0)
}, 240_000)

test('What cannot be backed up or restored is one sentence', async () => {
  expect(await run('backup', 'none', 'a.backup')).toEqual({
    code: 1,
    lines: [expect.stringMatching(/^stockpile: There is nothing to back up: .+none holds no database/)],
  })
  expect(await run('restore', 'none', 'missing.backup')).toEqual({
    code: 1,
    lines: [
      expect.stringMatching(/^stockpile: ENOENT: no such file or directory, open .+missing\.backup'\.$/),
    ],
  })
}, 120_000)

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)(
  'A backup that %s interrupts is one sentence, exits with %i and leaves no file',
  async (signal, code) => {
    const database = await createDatabase()
    const holder = postgres(database.url, { max: 1, fetch_types: false })
    try {
      await holder`begin`
      await holder`lock table symbols in access exclusive mode`
      const args = ['backup', NO_ENV_FILE, join(folder, 'a.backup')]
      const backup = processes.start(BACKUP, { args, env: { DATABASE_URL: database.url } })
      const waiting = () => holder`select from pg_locks where relation = 'symbols'::regclass and not granted`
      await waitFor(async () => (await waiting()).length > 0, { deadlineMs: 30_000, what: 'the backup' })
      expect(await readdir(folder)).toEqual(['a.backup.partial'])
      backup.signal(signal)
      expect(await backup.waitForExit(PATIENT)).toBe(code)
      expect(backup.lines).toEqual([
        expect.stringMatching(new RegExp(`^stockpile: Interrupted \\(${signal}\\): .+$`)),
      ])
      expect(await readdir(folder)).toEqual([])
    } finally {
      await holder.end()
      await database.drop()
    }
  },
)
