import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import * as z from 'zod'
import { prepareHomeFolders } from '../../src/settings/home-folders.js'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stockpile-home-'))
})
afterEach(async () => {
  await chmod(folder, 0o755)
  await rm(folder, { recursive: true, force: true })
})

const refusal = async (home: string, names: string[] = []) =>
  prepareHomeFolders(home, names).then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
const ELSE = 'STOCKPILE_HOME names another folder.'
const NOBODY = 65_534

/** Does the work with the rights of another user when this test runs as root, who may write everywhere. */
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
  await prepareHomeFolders(home, ['logs'])
  await prepareHomeFolders(home, ['logs'])
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

/** What npm start says when `folder` is a read-only file system; null where no file system can be mounted. */
async function saidOnReadOnly(home: string): Promise<string[] | null> {
  const inItsOwn = (command: string) =>
    promisify(execFile)('unshare', [
      '-rm',
      'sh',
      '-c',
      `mount -t tmpfs -o ro none "$0" && ${command}`,
      folder,
      home,
    ])
  const canMount = await inItsOwn('true').then(
    () => true,
    () => false,
  )
  if (!canMount) return null
  const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
  const program = `exec env -i PATH="$PATH" STOCKPILE_HOME="$1" '${process.execPath}' '${main}'`
  const failed: unknown = await inItsOwn(program).catch((error: unknown) => error)
  const { stderr } = z.object({ code: z.literal(1), stderr: z.string() }).parse(failed)
  return stderr.trim().split('\n')
}

test('A file system that is read-only is named as that, for a folder on it and for one that is to be made', async ({
  skip,
}) => {
  const itself = await saidOnReadOnly(folder)
  if (itself === null) return skip('no file system can be mounted here')
  expect(itself).toEqual([`stockpile: ${folder} is on a read-only file system. ${ELSE}`])
  const inside = join(folder, 'deep', 'er')
  expect(await saidOnReadOnly(inside)).toEqual([
    `stockpile: ${inside} cannot be made: ${folder} is on a read-only file system. ${ELSE}`,
  ])
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
