import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'

/** The built program, which `npm test` and `pnpm check` make before the tests. */
const COMMAND = fileURLToPath(new URL('../../dist/simulator/main.js', import.meta.url))

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'simulator-'))
})
afterAll(() => rm(directory, { recursive: true }))

const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

function run(...args: string[]) {
  const child = fork(COMMAND, args, { silent: true, execArgv: [] })
  children.push(child)
  const output = { stdout: '', stderr: '' }
  child.stdout?.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()))
  const ended = once(child, 'close').then(([code]: unknown[]) => ({ code, ...output }))
  return { child, ended }
}
async function start(...args: string[]) {
  const running = run(...args)
  const early = running.ended.then((end) => {
    throw new Error(`it ended before it listened: ${JSON.stringify(end)}`)
  })
  const message: unknown[] = await Promise.race([once(running.child, 'message'), early])
  return { ...running, url: z.object({ url: z.url() }).parse(message[0]).url }
}

describe('alphavantage-simulator', () => {
  it('says where it listens, on stdout and to its parent, and stops on SIGTERM with a request open', async () => {
    const { child, ended, url } = await start('--latency', '3600000')
    const open = fetch(`${url}/query?apikey=K`).catch((error: unknown) => String(error))
    await expect
      .poll(async () => (await fetch(new URL('/simulator/arrivals', url))).text())
      .toContain('unknown_function')
    child.kill('SIGTERM')
    expect(await ended).toEqual({ code: 0, stdout: `alphavantage-simulator listens on ${url}\n`, stderr: '' })
    expect(await open).toBe('TypeError: fetch failed')
  })

  it('stops when its parent lets go of it', async () => {
    const { child } = await start()
    // Node emits no 'close' for a child whose channel the parent closed.
    const exit = once(child, 'exit')
    child.disconnect()
    expect(await exit).toEqual([0, null])
  })

  it('takes a plan with one of its limits in place, rules, a time and a file for the arrivals', async () => {
    const rules = join(directory, 'rules.json')
    const arrivals = join(directory, 'arrivals.jsonl')
    await writeFile(rules, '[{"symbol":"AAPL","answer":{"kind":"html"}}]')
    const limits = ['--plan', 'free', '--per-second', '0', '--per-day', '3']
    const files = ['--rules', rules, '--arrivals', arrivals]
    const { child, ended, url } = await start(...limits, ...files, '--now', '2026-05-15T22:00:00Z')
    const ask = async (symbol: string, size: string) =>
      (
        await fetch(
          `${url}/query?function=TIME_SERIES_DAILY&symbol=${symbol}&outputsize=${size}&apikey=SECRETKEY`,
        )
      ).text()
    expect(await ask('AAPL', 'compact')).toContain('<html>')
    expect(await ask('IBM', 'compact')).toContain('"3. Last Refreshed": "2026-05-15"')
    expect(await ask('IBM', 'full')).toContain('premium feature')
    expect(await ask('IBM', 'compact')).toContain('3 requests per day')
    child.kill('SIGINT')
    expect((await ended).code).toBe(0)
    const lines = (await readFile(arrivals, 'utf8')).trimEnd().split('\n')
    const arrival = z.object({ answer: z.string() })
    expect(lines.map((line) => arrival.parse(JSON.parse(line)).answer)).toEqual([
      'html',
      'series',
      'entitlement',
      'daily_limit',
    ])
    expect(lines.join('')).not.toContain('SECRETKEY')
  })

  it('explains itself', async () => {
    const { code, stdout } = await run('--help').ended
    expect(code).toBe(0)
    for (const option of ['--port', '--plan', '--replay', '--rules', '--arrivals'])
      expect(stdout).toContain(option)
  })

  it.each([
    [['--port', '70000'], '--port takes a port, 0 to 65535.'],
    [['--plan', 'gold'], '--plan takes one of free, 75, 150, 300, 600, 1200.'],
    [['--per-day', 'many'], '--per-day takes a whole number.'],
    [['--nope'], "Unknown option '--nope'"],
  ])('refuses %j with a sentence and exit code 2', async (args, sentence) => {
    const { code, stderr } = await run(...args).ended
    expect(code).toBe(2)
    expect(stderr).toContain(`alphavantage-simulator: ${sentence}`)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  })

  it('says in one sentence that a port is taken or that a file cannot be read, with exit code 1', async () => {
    const { url } = await start()
    expect(await run('--port', new URL(url).port).ended).toMatchObject({
      code: 1,
      stderr: `alphavantage-simulator: Port ${new URL(url).port} of 127.0.0.1 is taken by another program.\n`,
    })
    const unreadable = await run('--rules', join(directory, 'none.json')).ended
    expect(unreadable.code).toBe(1)
    expect(unreadable.stderr).toContain('no such file or directory')
  })
})
