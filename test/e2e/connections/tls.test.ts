import { chmod, chown, copyFile, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect } from '@stockpile/db/connection'
import { pgOptions } from '@stockpile/db/driver-options'
import { errorSentence } from '@stockpile/db/error-sentence'
import { type EmbeddedServer, startEmbeddedPostgres } from '@stockpile/embedded-postgres'
import { chooseBackend, migrateQueue } from '@stockpile/queue/backend'
import { pingQueue } from '@stockpile/queue/health'
import { openQueue } from '@stockpile/queue/queue'
import { waitFor } from '@stockpile/test-harness/process'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'

/** Starts a server whose certificate is for `localhost`, signed by an authority of its own. */
const file = (name: string) => fileURLToPath(new URL(`tls/${name}`, import.meta.url))
const AUTHORITY = encodeURIComponent(file('authority.pem'))
const OTHER_AUTHORITY = encodeURIComponent(file('other-authority.pem'))

let base = ''
let server: EmbeddedServer | undefined
let admin: postgres.Sql | undefined
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'stockpile-tls-'))
  await chmod(base, 0o755)
  server = await startEmbeddedPostgres({ directory: join(base, 'postgres'), settings: { fsync: 'off' } })
  const data = join(server.folder, 'data')
  const { uid, gid } = await stat(data)
  for (const [from, to] of [
    ['server.pem', 'server.crt'],
    ['server-key.pem', 'server.key'],
  ] as const) {
    await copyFile(file(from), join(data, to))
    await chown(join(data, to), uid, gid)
    await chmod(join(data, to), 0o600)
  }
  admin = postgres(server.url, { max: 1, onnotice: () => {} })
  await admin`ALTER SYSTEM SET ssl = on`
  await admin`SELECT pg_reload_conf()`
  await migrateQueue(pgOptions(server.url))
})
afterAll(async () => {
  await admin?.end()
  await server?.stop()
  await rm(server?.folder ?? base, { recursive: true, force: true })
  await rm(base, { recursive: true, force: true })
})

function urlOf(host: string, query: string): string {
  const url = new URL(server?.url ?? '')
  url.hostname = host
  url.search = query
  return url.href
}

/** Asks the server whether the connections of a program are encrypted. */
async function isEncrypted(application: string): Promise<boolean | undefined> {
  if (admin === undefined) throw new Error('the server was not started')
  const [row] = await admin<{ ssl: boolean }[]>`
    SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = ${application}`
  return row?.ssl
}

const drivers = {
  async 'postgres.js'(databaseUrl: string) {
    const { db, close } = connect({
      databaseUrl,
      applicationName: 'tls-test',
      maxConnections: 1,
      statementTimeoutMs: 10_000,
    })
    try {
      await db.execute('SELECT 1')
      return await isEncrypted('tls-test')
    } finally {
      await close()
    }
  },
  async pg(databaseUrl: string) {
    const queue = openQueue({
      backend: chooseBackend({ postgres: pgOptions(databaseUrl) }),
      onError: () => {},
    })
    try {
      await pingQueue(queue.handle, 10_000)
      return await isEncrypted('stockpile-queue')
    } finally {
      await queue.close()
      await waitFor(async () => (await isEncrypted('stockpile-queue')) === undefined, { deadlineMs: 5_000 })
    }
  },
}

describe.each(Object.entries(drivers))('%s', (_, ask) => {
  test.each([
    ['no sslmode', '', true],
    ['disable', 'sslmode=disable', false],
    ['allow', 'sslmode=allow', true],
    ['prefer', 'sslmode=prefer', true],
    ['require', 'sslmode=require', true],
    ['require, with what every Neon URL has', 'sslmode=require&channel_binding=prefer', true],
    ['require, and the authority', `sslmode=require&sslrootcert=${AUTHORITY}`, true],
    ['verify-ca', `sslmode=verify-ca&sslrootcert=${AUTHORITY}`, true],
    ['verify-full', `sslmode=verify-full&sslrootcert=${AUTHORITY}`, true],
    ['direct', 'sslmode=require&sslnegotiation=direct', true],
  ])('%s connects to a server that offers TLS', async (_mode, query, encrypted) => {
    expect(await ask(urlOf('localhost', query))).toBe(encrypted)
  })

  test('verify-ca does not mind the name, verify-full does', async () => {
    const byAddress = (mode: string) => ask(urlOf('127.0.0.1', `sslmode=${mode}&sslrootcert=${AUTHORITY}`))
    expect(await byAddress('verify-ca')).toBe(true)
    const error: unknown = await byAddress('verify-full').catch((reason: unknown) => reason)
    expect(errorSentence(error)).toMatch(/certificate is for another name.*127\.0\.0\.1/)
  })

  test.each([
    `sslmode=verify-ca&sslrootcert=${OTHER_AUTHORITY}`,
    `sslmode=require&sslrootcert=${OTHER_AUTHORITY}`,
    'sslmode=verify-full',
  ])('a certificate of another authority is refused: %s', async (query) => {
    const error: unknown = await ask(urlOf('localhost', query)).catch((reason: unknown) => reason)
    expect(errorSentence(error)).toMatch(/certificate is not trusted.*sslrootcert/)
  })

  test('a server without TLS is used by prefer, and refused by require', async () => {
    const without = new URL(inject('postgresUrl'))
    without.pathname = `/${inject('templateDatabase')}`
    without.search = 'sslmode=require'
    const error: unknown = await ask(without.href).catch((reason: unknown) => reason)
    expect(errorSentence(error)).toMatch(/offers no encryption/)
  })
})
