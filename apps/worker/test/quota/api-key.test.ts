import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { waitFor } from '@stockpile/test-harness/process'
import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import { apiKeySource, waitForApiKey } from '../../src/quota/api-key.js'
import { CANARY_KEY, symbolNames, useSystem } from '../system.js'

const DEADLINE_MS = 25_000

describe('a key', () => {
  const system = useSystem({ simulator: { validKeys: ['right'] } })

  test('that is refused costs one request, whatever waits, and work goes on by itself when the file changes', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stockpile-key-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const file = join(folder, 'key')
    await writeFile(file, CANARY_KEY)
    const env = { ALPHAVANTAGE_API_KEY: '', ALPHAVANTAGE_API_KEY_FILE: file }
    await system.work(env)
    const first = await system.work(env)
    const id = await system.ingest(symbolNames(20))
    expect(await system.run(id, (run) => run.status === 'blocked')).toMatchObject({
      counts: { failed: 0 },
      waiting: { for: 'key', reason: 'Alpha Vantage does not accept the API key.' },
    })
    const waitingWorkers = (count: number) =>
      waitFor(() => system.logs.filter((line) => line.includes('this worker waits')).length >= count, {
        deadlineMs: DEADLINE_MS,
      })
    await waitingWorkers(2)
    await first.stop(AbortSignal.timeout(DEADLINE_MS))
    // It hears of it from the ledger.
    await system.work(env)
    await waitingWorkers(3)
    // Until the key is asked with again, not until the file is looked at again.
    const { waiting } = await system.run(id, (run) => run.waiting?.for === 'key')
    expect(Date.parse(waiting?.until ?? '') - Date.now()).toBeGreaterThan(50 * 60_000)
    expect(system.simulator.arrivals()).toHaveLength(1)
    await writeFile(file, 'right')
    expect(await system.run(id)).toMatchObject({ status: 'succeeded', counts: { succeeded: 20 } })
    expect(system.simulator.arrivals()).toHaveLength(21)
    const booked = await system.db.execute<{ text: string }>(`
      SELECT access::text AS text FROM provider_access AS access UNION ALL SELECT request::text FROM provider_requests AS request`)
    for (const { text } of booked) expect(text).not.toMatch(/right|CANARY/)
  })
})

describe('what cannot be a key', () => {
  const system = useSystem()

  test('stops everything without a request, and no item fails of it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stockpile-key-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const file = join(folder, 'key')
    await writeFile(file, 'sound')
    await system.work({ ALPHAVANTAGE_API_KEY: '', ALPHAVANTAGE_API_KEY_FILE: file })
    await writeFile(file, '# my key\nABCDEF')
    const id = await system.ingest(symbolNames(10))
    expect(await system.run(id, (run) => run.status === 'blocked')).toMatchObject({
      counts: { failed: 0 },
      waiting: { for: 'key' },
    })
    expect(system.simulator.arrivals()).toEqual([])
    await writeFile(file, 'sound')
    expect(await system.run(id)).toMatchObject({ status: 'succeeded', counts: { succeeded: 10 } })
  })
})

/** Nobody in particular: root may read everything. */
const NOBODY = 65_534

describe('a key file that appears but cannot be read', () => {
  test('is said at once while a worker waits for it, with who must be able to read it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stockpile-key-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    await chmod(folder, 0o755)
    const file = join(folder, 'key')
    const isRoot = process.geteuid?.() === 0
    const lines: string[] = []
    const logger = pino({}, { write: (line: string) => lines.push(line) })
    const waiting = waitForApiKey(apiKeySource({ file }), {
      logger,
      signal: AbortSignal.timeout(DEADLINE_MS),
    })
    await waitFor(() => lines.length === 1, { deadlineMs: DEADLINE_MS })
    expect(lines[0]).toContain('does not exist. A free key is at')
    await writeFile(file, 'sound', { mode: 0o200 })
    try {
      if (isRoot) process.seteuid?.(NOBODY)
      await waitFor(() => lines.length === 2, { deadlineMs: DEADLINE_MS })
      const user = process.geteuid?.()
      expect(lines[1]).toMatch(
        new RegExp(
          `cannot be read \\(EACCES\\): it belongs to user \\d+ with mode 200, .*chown ${user} ${file}`,
        ),
      )
      expect(lines[1]).toContain(`user ${user} must be able to read it`)
      expect(lines[1]).not.toContain('free key')
    } finally {
      if (isRoot) process.seteuid?.(0)
    }
    await chmod(file, 0o600)
    await waiting
    expect(lines).toHaveLength(2)
  })
})
