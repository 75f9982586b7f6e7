import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect } from '@stockpile/db/connection'
import { readCauses } from '@stockpile/db/causes'
import { useDatabase } from '@stockpile/test-harness/database'
import { useProcesses, waitFor } from '@stockpile/test-harness/process'
import type { TestProcess } from '@stockpile/test-harness/process'
import { startProxy } from '@stockpile/test-harness/proxy'
import { ownRedis } from '@stockpile/test-harness/redis-server'
import { describe, expect, onTestFinished, test } from 'vitest'

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const DEADLINE = { deadlineMs: 20_000 }

const database = useDatabase()
const { start } = useProcesses()

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'stockpile-worker-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}

describe('a worker that starts', () => {
  test('without a key says what is missing and how to get one, is sound, and works by itself once there is one', async () => {
    const home = await folder()
    const key = join(home, 'key')
    const heartbeat = join(home, 'heartbeat')
    const env = {
      DATABASE_URL: database.url,
      ALPHAVANTAGE_API_KEY_FILE: key,
      HEARTBEAT_FILE: heartbeat,
      SYMBOLS: '',
    }
    const worker = start(MAIN, { env })
    const line = await worker.waitForLine(/waiting for an API key/, DEADLINE)
    expect(line).toContain(`the key file ${key} does not exist`)
    expect(line).toContain('https://www.alphavantage.co/support/#api-key')
    const connection = connect({
      databaseUrl: database.url,
      applicationName: 'worker-test',
      maxConnections: 1,
      statementTimeoutMs: 10_000,
    })
    const causes = await waitFor(async () => {
      const found = await readCauses(connection.db)
      return found[0]?.for === 'key' ? found : undefined
    }, DEADLINE)
    await connection.close()
    expect(causes).toMatchObject([
      {
        class: 'missing_key',
        detail: `There is no API key: the key file ${key} does not exist.`,
        until: null,
      },
    ])
    expect(Math.abs(Date.parse(causes[0]?.since ?? '') - Date.now())).toBeLessThan(20_000)
    await waitFor(() => readFile(heartbeat).catch(() => undefined), DEADLINE)
    await writeFile(key, 'canary-4711\n')
    await worker.waitForLine(/"msg":"working"/, DEADLINE)
    worker.signal('SIGTERM')
    expect(await worker.waitForExit(DEADLINE)).toBe(0)
    expect(worker.lines.join('\n')).not.toContain('canary-4711')
  })

  test('stops at once while it waits for a key or for PostgreSQL', async () => {
    const waiting = [
      { line: /waiting for an API key/, env: { DATABASE_URL: database.url } },
      {
        line: /No PostgreSQL listens at 127.0.0.1:1: .*Waiting up to 60 s/,
        env: { DATABASE_URL: 'postgres://a:b@127.0.0.1:1/c', ALPHAVANTAGE_API_KEY: 'key' },
      },
    ]
    for (const { line, env } of waiting) {
      const worker = start(MAIN, { env: { SYMBOLS: '', ALPHAVANTAGE_API_KEY_FILE: '', ...env } })
      await worker.waitForLine(line, DEADLINE)
      worker.signal('SIGTERM')
      expect(await worker.waitForExit(DEADLINE)).toBe(0)
    }
  })

  test('waits for PostgreSQL again when it goes away after the first answer, and then works', async () => {
    const proxy = await startProxy(database.url)
    const { db, close } = connect({
      databaseUrl: database.url,
      applicationName: 'worker-test',
      maxConnections: 2,
      statementTimeoutMs: 10_000,
    })
    const env = { DATABASE_URL: proxy.url, ALPHAVANTAGE_API_KEY: 'key', SYMBOLS: '' }
    let worker: TestProcess | undefined
    try {
      await db.transaction(async (tx) => {
        // What the start writes after it has found the schema waits for this.
        await tx.execute('LOCK TABLE provider_state IN ACCESS EXCLUSIVE MODE')
        worker = start(MAIN, { env })
        await waitFor(async () => {
          // Not in the transaction, which sees pg_stat_activity as it was first.
          const waits = await db.execute(`
          SELECT FROM pg_stat_activity
           WHERE datname = current_database() AND application_name = 'stockpile-worker' AND wait_event_type = 'Lock'`)
          return waits.length === 1 ? true : undefined
        }, DEADLINE)
        await proxy.refuse()
      })
      await worker?.waitForLine(/PostgreSQL.*Waiting up to 60 s/, DEADLINE)
      await proxy.accept()
      await worker?.waitForLine(/"msg":"working"/, DEADLINE)
      worker?.signal('SIGTERM')
      expect(await worker?.waitForExit(DEADLINE)).toBe(0)
    } finally {
      // Before the database is dropped.
      await close()
      await proxy.close()
    }
  })

  test('refuses a Redis that may evict jobs, saying what to set', async ({ skip }) => {
    const redis = await ownRedis({ 'maxmemory-policy': 'allkeys-lru' })
    if (redis === null) return skip('there is no redis-server here')
    const env = { DATABASE_URL: database.url, REDIS_URL: redis.url, ALPHAVANTAGE_API_KEY: 'key', SYMBOLS: '' }
    const worker = start(MAIN, { env })
    const line = await worker.waitForLine(/may evict jobs/, DEADLINE)
    expect(line).toContain('maxmemory-policy noeviction')
    expect(await worker.waitForExit(DEADLINE)).toBe(1)
  })
})
