import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect as connectTo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { connect } from '@stockpile/db/connection'
import { createDatabase, useDatabase } from '@stockpile/test-harness/database'
import { urlAs } from '@stockpile/test-harness/roles'
import { useProcesses } from '@stockpile/test-harness/process'
import { waitFor } from '@stockpile/test-harness/process'
import { ownRedis } from '@stockpile/test-harness/redis-server'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { slowness } from '@stockpile/test-harness/patience'

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const DEADLINE = { deadlineMs: 20_000 }

const database = useDatabase()
const { start } = useProcesses()

describe('the API as a process', () => {
  test('serves until SIGTERM, and ends with 0', async () => {
    const api = start(MAIN, { env: { DATABASE_URL: urlAs('stockpile_api', database.url), PORT: '0' } })
    const line = await api.waitForLine(/listens at/, DEADLINE)
    const url = /http:\/\/[\d.:]+/.exec(line)?.[0] ?? ''
    const answer = await fetch(`${url}/readyz`)
    expect(await answer.json()).toMatchObject({
      data: { status: 'degraded', checks: { database: 'up', queue: 'up', workers: 'none' } },
    })
    api.signal('SIGTERM')
    expect(await api.waitForExit(DEADLINE)).toBe(0)
  })

  test('answers what is under way at SIGTERM, and ends soon after, whatever connections clients keep', async () => {
    const api = start(MAIN, { env: { DATABASE_URL: urlAs('stockpile_api', database.url), PORT: '0' } })
    const line = await api.waitForLine(/listens at/, DEADLINE)
    const url = new URL(/http:\/\/[\d.:]+/.exec(line)?.[0] ?? '')
    const { db, close } = connect({
      databaseUrl: database.url,
      applicationName: 'api-test',
      maxConnections: 1,
      statementTimeoutMs: 5_000,
    })
    // One connection never asks, as those that browsers open ahead; the other is kept alive after its answer.
    const silent = connectTo(Number(url.port), url.hostname)
    const idle = connectTo(Number(url.port), url.hostname)
    try {
      await once(silent, 'connect')
      idle.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')
      await once(idle, 'data')
      const answer = await db.transaction(async (tx) => {
        await tx.execute('LOCK TABLE ingest_runs')
        const asked = fetch(new URL('/api/ingest', url))
        await waitFor(async () => {
          const waiting = await tx.execute('SELECT 1 FROM pg_locks WHERE NOT granted')
          return waiting.length > 0
        }, DEADLINE)
        api.signal('SIGTERM')
        await api.waitForLine(/the API stops/, DEADLINE)
        return { asked }
      })
      const releasedAt = performance.now()
      const { status, headers } = await answer.asked
      expect(status).toBe(200)
      expect(headers.get('connection')).toBe('close')
      expect(await api.waitForExit(DEADLINE)).toBe(0)
      expect(performance.now() - releasedAt).toBeLessThan(5_000 * slowness())
    } finally {
      silent.destroy()
      idle.destroy()
      await close()
    }
  })

  test('refuses a Redis that may evict jobs, saying what to set', async ({ skip }) => {
    const redis = await ownRedis({ 'maxmemory-policy': 'allkeys-lru' })
    if (redis === null) return skip('there is no redis-server here')
    const api = start(MAIN, {
      env: { DATABASE_URL: urlAs('stockpile_api', database.url), PORT: '0', REDIS_URL: redis.url },
    })
    expect(await api.waitForLine(/may evict jobs/, DEADLINE)).toContain('maxmemory-policy noeviction')
    expect(await api.waitForExit(DEADLINE)).toBe(1)
  })

  test('comes up without Redis, and stops in time without it', async () => {
    const env = {
      DATABASE_URL: urlAs('stockpile_api', database.url),
      PORT: '0',
      REDIS_URL: 'redis://127.0.0.1:1',
    }
    const api = start(MAIN, { env })
    const line = await api.waitForLine(/listens at/, DEADLINE)
    const url = /http:\/\/[\d.:]+/.exec(line)?.[0] ?? ''
    expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({ data: { status: 'degraded' } })
    api.signal('SIGINT')
    expect(await api.waitForExit(DEADLINE)).toBe(0)
  })

  test('waits for a database that is away, says so, and stops when told to', async () => {
    const api = start(MAIN, { env: { DATABASE_URL: 'postgres://127.0.0.1:1/stockpile', PORT: '0' } })
    await api.waitForLine(/Waiting up to 60 s/, DEADLINE)
    api.signal('SIGTERM')
    expect(await api.waitForExit(DEADLINE)).toBe(0)
  })

  test('tells its parent where it listens, and ends with it', async () => {
    const api = fork(MAIN, {
      env: { DATABASE_URL: urlAs('stockpile_api', database.url), PORT: '0' },
      execArgv: [],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    const ended = once(api, 'exit')
    try {
      const [message] = z
        .tuple([z.object({ url: z.url() })])
        .rest(z.unknown())
        .parse(await once(api, 'message'))
      expect((await fetch(`${message.url}/healthz`)).status).toBe(200)
      api.disconnect()
      expect(await ended).toStrictEqual([0, null])
    } finally {
      api.kill('SIGKILL')
    }
  })
})

describe('the API does not start', () => {
  test('with a wrong configuration: 2, each variable named', async () => {
    const api = start(MAIN, { env: { PORT: 'x' } })
    expect(await api.waitForExit(DEADLINE)).toBe(2)
    expect(api.lines).toHaveLength(2)
    expect(api.lines[0]).toContain('"DATABASE_URL is not set')
    expect(api.lines[1]).toContain('"PORT takes a port from 0 to 65535')
  })

  test('on a taken port: 1 and one sentence', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = z.object({ port: z.int() }).parse(other.address())
    try {
      const api = start(MAIN, {
        env: { DATABASE_URL: urlAs('stockpile_api', database.url), PORT: String(port) },
      })
      expect(await api.waitForExit(DEADLINE)).toBe(1)
      expect(api.lines).toStrictEqual([expect.stringContaining(`Port ${port} of 127.0.0.1 is taken`)])
    } finally {
      other.close()
    }
  })

  test('on a database that was never migrated: 1 and one sentence', async () => {
    const empty = await createDatabase({ empty: true })
    try {
      const api = start(MAIN, { env: { DATABASE_URL: empty.url, PORT: '0' } })
      expect(await api.waitForExit(DEADLINE)).toBe(1)
      expect(api.lines).toStrictEqual([expect.stringContaining('migrations')])
    } finally {
      await empty.drop()
    }
  })

  test('on a database that does not exist: 1 and one sentence, without the password', async () => {
    const url = new URL(database.url)
    url.pathname = '/nosuch'
    const api = start(MAIN, { env: { DATABASE_URL: url.href, PORT: '0' } })
    expect(await api.waitForExit(DEADLINE)).toBe(1)
    expect(api.lines).toStrictEqual([expect.stringContaining(String.raw`\"nosuch\" does not exist`)])
  })
})
