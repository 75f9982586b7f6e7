import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import type { Database } from '../database/connection.js'
import { EARLIER_TEXTS } from './earlier-texts.js'

const migrationsFolder = fileURLToPath(new URL('../../migrations', import.meta.url))
const BREAKPOINT = '--> statement-breakpoint'

/** "STOCK" in ASCII: the advisory lock under which one program at a time changes the schema, however many start at once. */
export const MIGRATION_LOCK = 0x53544f434b

/** A numbered file of tables and data. Its text never changes once it has landed: see migrations/hashes.json. */
export interface Migration {
  /** The file's name without `.sql`. */
  tag: string
  /** SHA-256 of the text with LF, as a database notes it. */
  hash: string
  /** Milliseconds since 1970; drizzle-kit orders migrations by it. */
  when: number
  statements: string[]
}

/** A migration as a database notes it. */
export interface StoredMigration {
  hash: string
  when: number
}

/** What a database lacks of this code's migrations, judged by the hashes of the texts that made it. */
export interface MigrationPlan {
  /** Noted migrations whose text this code never had: a build of another history made the database. */
  unknown: StoredMigration[]
  /** The unknown migrations that are later than every migration of this code. */
  newer: StoredMigration[]
  /** Migrations that the database has in an earlier text, or with other line ends. */
  rewritten: Migration[]
  missing: Migration[]
  /** What has to be run, in order, for the database to have all migrations. */
  statements: string[]
}

export function readMigrations(): Migration[] {
  const tags = readdirSync(migrationsFolder)
    .filter((name) => name.endsWith('.sql'))
    .toSorted()
  return readMigrationFiles({ migrationsFolder }).map(({ sql: statements, folderMillis }, index) => {
    // Git may have checked the file out with CRLF.
    const text = statements.join(BREAKPOINT).replaceAll('\r\n', '\n')
    return {
      tag: (tags[index] ?? '').replace(/\.sql$/, ''),
      hash: hashOf(text),
      when: folderMillis,
      statements: text.split(BREAKPOINT),
    }
  })
}

/** Reads the migrations that the database notes; none for a database that was never migrated. */
export async function storedMigrations(db: Database): Promise<StoredMigration[]> {
  const [table] = await db.execute<{ known: boolean }>(
    sql`SELECT to_regclass('drizzle.__drizzle_migrations') IS NOT NULL AS known`,
  )
  if (table?.known !== true) return []
  return await db.execute<{ hash: string; when: number }>(
    sql`SELECT hash, created_at::float8 AS when FROM drizzle.__drizzle_migrations ORDER BY id`,
  )
}

export function planMigrations(migrations: Migration[], stored: StoredMigration[]): MigrationPlan {
  const has = new Set(stored.map(({ hash }) => hash))
  const plan: MigrationPlan = { unknown: [], newer: [], rewritten: [], missing: [], statements: [] }
  const known = new Set<string>()
  for (const migration of migrations) {
    const withCrlf = hashOf(migration.statements.join(BREAKPOINT).replaceAll('\n', '\r\n'))
    const earlier = EARLIER_TEXTS.filter(({ tag }) => tag === migration.tag)
    for (const hash of [migration.hash, withCrlf, ...earlier.flatMap(({ hashes }) => hashes)]) known.add(hash)
    if (has.has(migration.hash)) continue
    const text = earlier.find(({ hashes }) => hashes.some((hash) => has.has(hash)))
    if (text === undefined && !has.has(withCrlf)) {
      plan.missing.push(migration)
      plan.statements.push(...migration.statements)
    } else {
      plan.rewritten.push(migration)
      plan.statements.push(...(text?.remaining(migration.statements) ?? []))
    }
  }
  const latest = Math.max(...migrations.map(({ when }) => when))
  plan.unknown = stored.filter(({ hash }) => !known.has(hash))
  plan.newer = plan.unknown.filter(({ when }) => when > latest)
  return plan
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
