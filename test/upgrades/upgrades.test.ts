import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readCatalog } from '@stockpile/db/catalog'
import { connect } from '@stockpile/db/connection'
import type { Connection } from '@stockpile/db/connection'
import { assertMigrated, migrate, SchemaVersionError } from '@stockpile/db/migrate'
import { createDatabase, useDatabase } from '@stockpile/test-harness/database'
import postgres from 'postgres'
import { beforeAll, describe, expect, test } from 'vitest'
import { applyAsThen } from './apply.js'
import type { SchemaState } from './history.js'
import { upgrade } from './upgrade.js'

const database = useDatabase({ empty: true })

/** The time in the journal, the name, and for a text that was rewritten the commit that wrote it. */
type Applied = [when: number, tag: string, commit?: string]

const FOUNDATION: Applied = [1795345021680, '0000_foundation']
const FIRST_QUOTA: Applied = [1795356135719, '0001_quota', '6238d47']
const FIRST_OUTCOME: Applied = [1795356665193, '0002_items_outcome', '6d65626']
const DURABILITY: Applied = [1795358919500, '0003_durability']
const INITIALS: Applied = [1795372009970, '0005_symbol_initials']
const DAYS: Applied = [1795549325856, '0006_symbol_days']
const COUNTED_BY_STATEMENT: Applied[] = [
  FOUNDATION,
  [1795356135719, '0001_quota', '51f697f'],
  [1795356665193, '0002_items_outcome'],
  DURABILITY,
  [1795369379872, '0004_data_api', '6ee3560'],
]

/** `countedBefore`: how many of the rows in `stored` that build had counted; null: that build kept no totals. */
const states: [
  string,
  { state: SchemaState; via: SchemaState | null; repaired: string[]; countedBefore: number | null },
][] = [
  ['the first one', { state: stateOf([FOUNDATION]), via: null, repaired: [], countedBefore: null }],
  [
    'one with the migration of lone losses, which collides with what took its place',
    {
      state: stateOf([
        FOUNDATION,
        FIRST_QUOTA,
        FIRST_OUTCOME,
        [1795358429308, '0003_lone_losses', '3cec64e'],
      ]),
      via: null,
      repaired: ['0001_quota', '0002_items_outcome', '0003_durability'],
      countedBefore: null,
    },
  ],
  [
    'one without the columns that 0003 was given later',
    {
      state: stateOf([FOUNDATION, FIRST_QUOTA, FIRST_OUTCOME, [1795358919500, '0003_durability', 'fcd54e9']]),
      via: null,
      repaired: ['0001_quota', '0002_items_outcome', '0003_durability'],
      countedBefore: null,
    },
  ],
  [
    'one with three migrations that were folded back into earlier ones',
    {
      state: stateOf([
        FOUNDATION,
        FIRST_QUOTA,
        FIRST_OUTCOME,
        DURABILITY,
        [1795362308190, '0004_key_in_use', '41e181e'],
        [1795362610016, '0005_inline_needless', '95c304c'],
        [1795363285503, '0006_missing_key', '4694742'],
      ]),
      via: null,
      repaired: ['0001_quota', '0002_items_outcome'],
      countedBefore: null,
    },
  ],
  [
    'one whose API counted 1,199 of 3,898 rows, since its totals stood still after a later build had migrated it',
    {
      state: stateOf(COUNTED_BY_STATEMENT),
      via: stateOf([...COUNTED_BY_STATEMENT, INITIALS, DAYS]),
      repaired: ['0001_quota', '0004_data_api'],
      countedBefore: 1199,
    },
  ],
]

describe('a database of an earlier build comes out of migrate as a fresh one, with its rows', () => {
  let catalog: string[] = []
  beforeAll(async () => {
    const fresh = await createDatabase()
    const { db, close } = open(fresh.url)
    catalog = await readCatalog(db)
    await close()
    await fresh.drop()
  })

  test.each(states)('%s', async (_what, { state, via, repaired, countedBefore }) => {
    const result = await upgrade(database.url, catalog, state, via)
    const stored = via === null ? 1199 : 3898
    expect(result).toMatchObject({ problems: [], repaired, countedBefore, counted: stored, stored })
  })
})

describe('a stored hash that is not the file’s', () => {
  test('stops the start of a program with what to do, until migrate has repaired the database', () =>
    withConnections(async (db, sql) => {
      await applyAsThen(sql, stateOf(COUNTED_BY_STATEMENT))
      await expect(assertMigrated(db)).rejects.toThrow(/run its migrations/)
      await migrate(database.url)
      await sql`UPDATE drizzle.__drizzle_migrations SET hash = ${hashOf(textOf('0004_data_api', '6ee3560'))} WHERE created_at = 1795369379872`
      await expect(assertMigrated(db)).rejects.toThrow(/early build.*run the migrations of this version/)
      expect(await migrate(database.url)).toMatchObject({ migrations: 0, repaired: ['0004_data_api'] })
      await expect(assertMigrated(db)).resolves.toBeUndefined()
    }))

  test('is taken for the same where Git had checked the file out with CRLF', () =>
    withConnections(async (db, sql) => {
      await migrate(database.url)
      const crlf = hashOf(textOf('0001_quota').replaceAll('\n', '\r\n'))
      await sql`UPDATE drizzle.__drizzle_migrations SET hash = ${crlf} WHERE created_at = 1795356135719`
      expect(await migrate(database.url)).toMatchObject({ migrations: 0, repaired: ['0001_quota'] })
      await expect(assertMigrated(db)).resolves.toBeUndefined()
    }))

  test('and that no version had is refused, by migrate too, and nothing is changed', () =>
    withConnections(async (db, sql) => {
      await migrate(database.url)
      await sql`UPDATE drizzle.__drizzle_migrations SET hash = 'of-another-history' WHERE created_at = 1795369379872`
      const before = await readCatalog(db)
      const sentence =
        /no version of Stockpile up to this one has \(of-another-h of 2026-11-22\).*Nothing was changed/
      await expect(migrate(database.url)).rejects.toThrow(sentence)
      await expect(migrate(database.url)).rejects.toThrow(SchemaVersionError)
      await expect(assertMigrated(db)).rejects.toThrow(sentence)
      expect(await readCatalog(db)).toEqual(before)
    }))
})

function open(databaseUrl: string) {
  return connect({
    databaseUrl,
    applicationName: 'upgrades-test',
    maxConnections: 1,
    statementTimeoutMs: 10_000,
  })
}

async function withConnections(
  work: (db: Connection['db'], sql: postgres.Sql) => Promise<void>,
): Promise<void> {
  const { db, close } = open(database.url)
  const sql = postgres(database.url, { max: 1, onnotice: () => {} })
  try {
    await work(db, sql)
  } finally {
    await close()
    await sql.end()
  }
}

function textOf(tag: string, commit?: string): string {
  const file =
    commit === undefined ? `../../packages/db/migrations/${tag}.sql` : `historic/${tag}.${commit}.sql`
  return readFileSync(new URL(file, import.meta.url), 'utf8')
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function stateOf(applied: Applied[]): SchemaState {
  const migrations = applied.map(([when, tag, commit]) => ({
    tag,
    when,
    text: textOf(tag, commit),
    hash: hashOf(textOf(tag, commit)),
  }))
  return { commit: '', date: '', subject: '', others: 0, migrations, functions: null, comparesHashes: false }
}
