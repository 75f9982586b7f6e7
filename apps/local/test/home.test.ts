import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { prepareHome } from '../src/home.js'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stockpile-home-'))
})
afterEach(async () => {
  await chmod(folder, 0o755)
  await rm(folder, { recursive: true, force: true })
})

const refusal = async (home: string, names: string[] = []) =>
  prepareHome(home, names).then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
const ELSE = 'STOCKPILE_HOME names another folder.'
const NOBODY = 65_534

/** Root may write everywhere: as root the work is done with the rights of another user. */
async function unprivileged(work: () => Promise<void>): Promise<void> {
  const isRoot = process.getuid?.() === 0
  if (isRoot) process.seteuid?.(NOBODY)
  try {
    await work()
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
}

test('The folders are made, and nothing is left of the look', async () => {
  const home = join(folder, 'a', 'b')
  await prepareHome(home, ['logs'])
  await prepareHome(home, ['logs'])
  expect([await readdir(home), await readdir(join(home, 'logs'))]).toEqual([['logs'], []])
})

test('A file in the place of a folder is named, wherever it is', async () => {
  const file = join(folder, 'file')
  await writeFile(file, '')
  const said = `${file} is a file, and a folder is needed there: move it away. ${ELSE}`
  expect(await refusal(file)).toBe(said)
  expect(await refusal(join(file, 'deep', 'er'))).toBe(said)
  expect(await refusal(folder, ['file'])).toBe(said)
})

test('A folder that exists and may not be written says whose it is', async () => {
  const logs = join(folder, 'logs')
  await mkdir(logs)
  await chmod(logs, 0o555)
  await chmod(folder, 0o755)
  const whose = (mode: number) =>
    `exists, but this user may not write in it: it belongs to user ${process.getuid?.()}, with mode ${mode}.`
  await unprivileged(async () => {
    expect(await refusal(logs)).toBe(`${logs} ${whose(555)} ${ELSE}`)
    const inside = join(logs, 'a')
    expect(await refusal(inside)).toBe(`${inside} cannot be made: ${logs} ${whose(555)} ${ELSE}`)
  })
})
