import { PROCESS_ROLES, urlAs } from '@stockpile/test-harness/roles'
import postgres from 'postgres'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { connect } from '../../src/database/connection.js'
import type { Connection } from '../../src/database/connection.js'
import { errorSentence } from '../../src/database/error-sentence.js'
import { waitForSchema } from '../../src/migrate/ready.js'
import { useConnection } from '../database.js'
import { usePooler } from '../database/pooler.js'

const connection = useConnection()
const startPooler = usePooler()
const opened: Connection[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map(({ close }) => close()))
})

function open(databaseUrl: string) {
  const one = connect({
    databaseUrl,
    applicationName: 'db-test',
    maxConnections: 2,
    statementTimeoutMs: 5_000,
  })
  opened.push(one)
  return one.db
}

/** What a program says that does not start with this server; undefined when it does. Waits for nothing. */
async function refusalOf(databaseUrl: string): Promise<string | undefined> {
  const waiting: string[] = []
  const stop = new AbortController()
  const onWaiting = (sentence: string) => {
    waiting.push(sentence)
    stop.abort()
  }
  const refused = await waitForSchema(open(databaseUrl), { onWaiting, signal: stop.signal }).then(
    () => undefined,
    (error: unknown) => errorSentence(error),
  )
  return waiting[0] ?? refused
}

const DIRECT = /: give DATABASE_URL a direct connection to PostgreSQL, as docs\/decisions\/poolers.md says\.$/

describe('a connection pooler before PostgreSQL', () => {
  test('that refuses what a session needs is refused at once', async () => {
    const refusal = { code: '08P01', message: 'unsupported startup parameter: options' }
    expect(await refusalOf(await startPooler(connection.url, { refusal }))).toBe(
      'Before PostgreSQL is a connection pooler that does not pass on what a session needs (unsupported startup parameter: options): give DATABASE_URL a direct connection.',
    )
  })

  test('that drops settings of a session is refused, with their names', async () => {
    const admin = connection.open()
    const name = new URL(connection.url).pathname.slice(1)
    await admin.db.execute(`ALTER DATABASE ${name} SET TimeZone = 'Asia/Tokyo'`)
    await admin.db.execute(`ALTER DATABASE ${name} SET bytea_output = 'escape'`)
    const said = await refusalOf(await startPooler(connection.url, { dropsOptions: true }))
    expect(said).toMatch(/^Before PostgreSQL is a connection pooler that drops what a session needs \(.+\)/)
    expect(said).toMatch(/\(.*\bTimeZone\b.*\bbytea_output\b.*\)/)
    // Those of the server's own are in force.
    expect(said).not.toContain('array_nulls')
    expect(said).toMatch(DIRECT)
  })
})

describe('what keeps a program from its database for now is said in a sentence', () => {
  const role = () => `limited_${new URL(connection.url).pathname.slice(-8)}`
  beforeEach(async () => {
    await connection.db.execute(`CREATE ROLE ${role()} LOGIN PASSWORD 'p' CONNECTION LIMIT 0`)
  })
  afterEach(async () => {
    const sql = postgres(connection.url, { max: 1, onnotice: () => {} })
    await sql.unsafe(`DROP ROLE ${role()}`)
    await sql.end()
  })

  test.each([
    [
      '53300',
      'as many connections as it lets in',
      async () => Object.assign(new URL(connection.url), { username: role(), password: 'p' }).href,
      /^PostgreSQL has no connection left \(too many connections for role .+\): raise max_connections, or run fewer workers/,
    ],
    [
      '57P03',
      'a server that is starting',
      () =>
        startPooler(connection.url, {
          refusal: { code: '57P03', message: 'the database system is starting up' },
        }),
      /^PostgreSQL takes no connections yet: the database system is starting up\. Waiting up to 60 s for it\.$/,
    ],
  ] as const)('%s: %s', async (_code, _what, url, sentence) => {
    expect(await refusalOf(await url())).toMatch(sentence)
  })

  test('42501: a right that its role has not', async () => {
    const api = open(urlAs(PROCESS_ROLES.api, connection.url))
    const refused: unknown = await api.execute('DROP TABLE financial_data').catch((error: unknown) => error)
    expect(errorSentence(refused)).toBe(
      'PostgreSQL: must be owner of table financial_data. Grant it to the user of DATABASE_URL, or take one who may.',
    )
  })
})
