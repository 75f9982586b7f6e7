import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type EmbeddedServer, type EmbeddedServerOptions, startEmbeddedPostgres } from '../src/server.js'

const isRoot = process.getuid?.() === 0
let base = ''
/** The directory of the cluster that tests share when they need no new cluster. Each test leaves its server stopped. */
let directory = ''
const servers: EmbeddedServer[] = []
const starters: ChildProcess[] = []

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'embedded-postgres-'))
  await chmod(base, 0o755)
  directory = join(base, 'shared')
})

afterEach(async () => {
  for (const starter of starters.splice(0)) starter.kill('SIGKILL')
  await Promise.all(servers.splice(0).map((server) => server.stop()))
})

afterAll(() => rm(base, { recursive: true, force: true }))

async function start(options: Partial<EmbeddedServerOptions> = {}): Promise<EmbeddedServer> {
  const server = await startEmbeddedPostgres({ directory, settings: { fsync: 'off' }, ...options })
  servers.push(server)
  return server
}

async function query(url: string, text: string): Promise<unknown> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined })
  try {
    const rows = await sql.unsafe<Record<string, unknown>[]>(text)
    return rows[0]
  } finally {
    await sql.end()
  }
}

/** Starts a server from a process of its own. @returns the process, and what the process says of the server */
async function startElsewhere(where: string): Promise<{ process: ChildProcess; said: unknown }> {
  const starter = spawn(
    process.execPath,
    ['--conditions=source', '--import', 'tsx', fileURLToPath(new URL('starter.ts', import.meta.url)), where],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  starters.push(starter)
  for await (const line of createInterface({ input: starter.stdout })) {
    return { process: starter, said: JSON.parse(line) }
  }
  throw new Error('The starter ended without a word')
}

describe('a started server', () => {
  test('serves UTF-8 in bytewise order, on loopback only', async () => {
    const { url } = await start()
    const found = await query(
      url,
      `select current_setting('server_encoding') as encoding, current_setting('listen_addresses') as address,
              current_setting('timezone') as zone, 'a' < 'B' as linguistic, upper('ä') as upper`,
    )
    expect(found).toEqual({
      encoding: 'UTF8',
      address: '127.0.0.1',
      zone: 'UTC',
      linguistic: false,
      upper: 'Ä',
    })
  })

  test('refuses a wrong password, and keeps the right one from other users', async () => {
    const server = await start()
    const wrong = new URL(server.url)
    wrong.password = 'wrong'
    await expect(query(wrong.href, 'select 1')).rejects.toThrow('password authentication failed')
    expect((await stat(join(directory, 'password'))).mode & 0o777).toBe(0o600)
  })

  test('is gone after stop, and its rows are there after the next start', async () => {
    const first = await start()
    await query(first.url, 'create table if not exists kept as select 1 as one')
    await first.stop()
    await expect(query(first.url, 'select 1')).rejects.toThrow('ECONNREFUSED')
    const second = await start()
    expect(second.wasAdopted).toBe(false)
    expect(await query(second.url, 'select one from kept')).toEqual({ one: 1 })
  })

  test('has the port of the last start again, or another when that is taken meanwhile', async () => {
    const first = await start()
    await first.stop()
    const second = await start()
    expect([second.port, second.isNewPort]).toEqual([first.port, false])
    await second.stop()
    const taker = createServer().listen(first.port, '127.0.0.1')
    await once(taker, 'listening')
    try {
      const third = await start()
      expect(third.port).not.toBe(first.port)
      expect(third.isNewPort).toBe(true)
    } finally {
      taker.close()
    }
  })

  test('has the port that is set, or says that it is taken', async () => {
    const taker = createServer().listen(0, '127.0.0.1')
    await once(taker, 'listening')
    const address = taker.address()
    const port = typeof address === 'object' && address !== null ? String(address.port) : ''
    const settings = { fsync: 'off', port }
    try {
      await expect(start({ settings })).rejects.toThrow(
        `Port ${port} of 127.0.0.1, which PostgreSQL is to have, is taken`,
      )
    } finally {
      taker.close()
      await once(taker, 'close')
    }
    const server = await start({ settings })
    expect([String(server.port), server.isNewPort]).toEqual([port, false])
  })

  test('takes settings', async () => {
    const { url } = await start({ settings: { fsync: 'off', max_connections: '17' } })
    expect(await query(url, 'show max_connections')).toEqual({ max_connections: '17' })
  })
})

describe('survival', () => {
  test('a server outlives the kill of its starter and is adopted by the next', async () => {
    const { process: starter, said } = await startElsewhere(directory)
    starter.kill('SIGKILL')
    await once(starter, 'exit')
    const server = await start()
    expect(said).toEqual({ pid: server.pid, wasAdopted: false })
    expect(server.wasAdopted).toBe(true)
    await server.stop()
    await expect(query(server.url, 'select 1')).rejects.toThrow('ECONNREFUSED')
  })

  test('two starters that race on a new directory share one server', async () => {
    const where = join(base, 'raced')
    const [one, other] = await Promise.all([startElsewhere(where), startElsewhere(where)])
    const server = await start({ directory: where })
    expect([one.said, other.said]).toEqual(
      expect.arrayContaining([
        { pid: server.pid, wasAdopted: false },
        { pid: server.pid, wasAdopted: true },
      ]),
    )
    // PostgreSQL's programs are there too when they had to be copied. Nothing unfinished is left.
    const left = (await readdir(where)).filter((name) => !name.startsWith('postgresql-'))
    expect(left.toSorted()).toEqual(['data', 'password', 'postgres.log'])
  })

  test('a killed server recovers at the next start with all that was committed', async () => {
    const first = await start()
    await query(first.url, 'create table committed as select 42 as answer')
    process.kill(first.pid, 'SIGKILL')
    const second = await start()
    expect(second.wasAdopted).toBe(false)
    expect(await query(second.url, 'select answer from committed')).toEqual({ answer: 42 })
  })

  test.runIf(process.platform === 'linux')(
    'a lock file whose pid now belongs to another process does not block the start',
    async () => {
      const first = await start()
      const lock = await readFile(join(directory, 'data', 'postmaster.pid'), 'utf8')
      await first.stop()
      await writeFile(
        join(directory, 'data', 'postmaster.pid'),
        lock.replace(String(first.pid), String(process.pid)),
      )
      expect((await start()).wasAdopted).toBe(false)
    },
  )

  test('an interrupted initdb is cleared away and done again', async () => {
    const where = join(base, 'interrupted')
    const leftover = join(where, `data.initdb.${2 ** 22 + 1}`)
    await mkdir(leftover, { recursive: true })
    const server = await start({ directory: where })
    expect(await query(server.url, 'select 1 as one')).toEqual({ one: 1 })
    await expect(stat(leftover)).rejects.toThrow('ENOENT')
  })
})

describe('a start that cannot succeed says why', () => {
  test('data of another version', async () => {
    const where = join(base, 'old')
    await mkdir(join(where, 'data'), { recursive: true })
    await writeFile(join(where, 'data', 'PG_VERSION'), '17\n')
    await expect(start({ directory: where })).rejects.toThrow(
      /was written by PostgreSQL 17 and this is PostgreSQL 18/,
    )
  })

  test('data that is not whole', async () => {
    const where = join(base, 'broken')
    await mkdir(join(where, 'data'), { recursive: true })
    await expect(start({ directory: where })).rejects.toThrow(/is not a whole PostgreSQL data directory/)
  })

  test('a refusal of the server itself, by the end of its log', async () => {
    await expect(start({ settings: { max_connections: 'many' } })).rejects.toThrow(
      /invalid value for parameter "max_connections": "many"/,
    )
  })

  test('a place where no directory can be made', async () => {
    await writeFile(join(base, 'file'), '')
    await expect(start({ directory: join(base, 'file', 'below') })).rejects.toThrow(
      /No PostgreSQL can run in .*ENOTDIR/,
    )
  })
})

describe.runIf(isRoot)('as root', () => {
  test('the server runs as an account without rights, who cannot become root by it', async () => {
    const { pid } = await start()
    expect((await stat(`/proc/${pid}`)).uid).not.toBe(0)
  })

  test('a directory that this account cannot reach keeps a link to where the data went', async () => {
    const home = join(base, 'closed-home')
    await mkdir(home, { mode: 0o700 })
    const lines: string[] = []
    const closed = join(home, 'stockpile')
    const first = await start({ directory: closed, log: (line) => lines.push(line) })
    const elsewhere = await readlink(join(closed, 'location'))
    try {
      expect(lines.join('\n')).toContain(`its data is in ${elsewhere}`)
      expect(await readdir(elsewhere)).toContain('data')
      await first.stop()
      const second = await start({ directory: closed })
      expect(await query(second.url, 'select 1 as one')).toEqual({ one: 1 })
      await second.stop()
    } finally {
      await rm(elsewhere, { recursive: true, force: true })
    }
  })
})
