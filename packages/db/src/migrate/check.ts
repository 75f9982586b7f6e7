import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import { catalogDifferences, expectedCatalog, readCatalog } from './catalog.js'
import type { Database, Transaction } from '../database/connection.js'
import { DERIVED_DATA, findWrongEntries, recount } from './derived-data.js'
import { MIGRATION_LOCK, planMigrations, readMigrations, storedMigrations } from './migrations.js'
import { appliedFunctions, readSqlFunctions, replaceSqlFunctions } from './sql-functions.js'
import { takeTables, whenTablesAreFree } from './table-locks.js'

/** The result of one check. */
export interface Check {
  name: string
  /** What was found, such as "8 of 8 migrations are this version's". */
  found: string
  /** What to do; null when nothing is wrong. */
  advice: string | null
  /** Whether the advice has to be followed before anything can be repaired. */
  first?: boolean
}

const REPAIR = 'run `node apps/migrate/dist/main.js --check --repair`'

/**
 * Compares the schema with this version's, and derived data with the rows. Only reads, as of one moment, so that it may run
 * while all programs work.
 */
export async function checkDatabase(db: Database): Promise<Check[]> {
  return await db.transaction(
    async (tx) => {
      const migrations = await checkMigrations(tx)
      // The checks below cannot read another version's tables.
      if (migrations.advice !== null) return [migrations]
      const { structure, functions } = await compareCatalog(tx)
      const schema = [migrations, structureCheck(structure), functionsCheck(functions)]
      // The checks below read every column.
      if (lacksColumn(structure)) return schema
      // The check of derived data counts days by one of the functions.
      const derived = functions.length === 0 ? await checkDerivedData(tx) : []
      return [...schema, ...derived, ...(await checkHistory(tx))]
    },
    { isolationLevel: 'repeatable read', accessMode: 'read only' },
  )
}

/**
 * Makes functions and triggers anew when they are not this version's, and recounts totals and days. Writers of prices wait
 * meanwhile. Only for a database without a check whose advice comes first.
 * @throws TablesBusyError when others keep the tables in use for a minute
 */
export async function repairDatabase(db: Database): Promise<void> {
  await inTurn(db, async (tx) => {
    const { functions } = await compareCatalog(tx)
    if (functions.length === 0) return
    await takeTables(tx)
    await replaceSqlFunctions(tx, { always: true })
  })
  // A transaction of its own: in the first one readers would wait too, for as long as all rows are counted.
  await inTurn(db, recount)
}

/** Runs a transaction while no other program migrates or repairs, and the tables are free. */
async function inTurn<T>(db: Database, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return await whenTablesAreFree(db, async (tx) => {
    await tx.execute(sql`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK}::bigint)`)
    return await work(tx)
  })
}

async function checkMigrations(tx: Transaction): Promise<Check> {
  const migrations = readMigrations()
  const { unknown, rewritten, missing } = planMigrations(migrations, await storedMigrations(tx))
  const wrong = [
    ...unknown.map(({ hash }) => `${hash.slice(0, 12)} is not one of this version`),
    ...rewritten.map(({ tag }) => `${tag} is of an earlier build`),
    ...missing.map(({ tag }) => `${tag} is missing`),
    ...((await appliedFunctions(tx)) === readSqlFunctions().hash
      ? []
      : ["the functions and triggers are another version's"]),
  ]
  // A database restored from a dump of the schema public alone has its tables, but no notes.
  const isNoteLost = missing.length > 0 && !(await compareCatalog(tx)).structure.some(isOfPublic)
  return {
    name: 'migrations',
    found: wrong.length === 0 ? `all ${migrations.length} are this version's` : listed(wrong),
    advice:
      wrong.length === 0
        ? null
        : unknown.length > 0
          ? 'run the version that made them'
          : isNoteLost
            ? 'the tables are there, and what notes the migrations is lost: restore the schema drizzle from a backup, or from a new database that this version migrated (`pg_dump -n drizzle`)'
            : 'run the migrations: `node apps/migrate/dist/main.js`',
    first: true,
  }
}

async function compareCatalog(tx: Transaction): Promise<{ structure: string[]; functions: string[] }> {
  const differences = catalogDifferences(expectedCatalog(), await readCatalog(tx))
  return {
    // A table that is gone comes before its columns, which are many.
    structure: differences.filter((line) => !isRepairable(line)).toSorted(tablesFirst),
    functions: differences.filter(isRepairable),
  }
}

const isTable = (line: string) => Number(/^(lacks|has instead) table /.test(line))
const tablesFirst = (one: string, other: string) => isTable(other) - isTable(one)

/** Whether making functions and triggers anew settles a difference. A trigger that runs somebody else's function stays. */
function isRepairable(line: string): boolean {
  const [, runs] = /^has instead trigger .* EXECUTE FUNCTION (?:public\.)?(\w+)\(/.exec(line) ?? []
  if (runs !== undefined) return readSqlFunctions().names.includes(runs)
  return /^(lacks|has instead) (function|trigger|constraint \S+ TRIGGER) /.test(line)
}

const isOfPublic = (line: string) => !line.includes(' drizzle.')

/** Whether a column is gone or has another type. A column that only has another default can still be read. */
function lacksColumn(differences: readonly string[]): boolean {
  const typed = (kind: string) =>
    differences
      .filter((line) => line.startsWith(`${kind} column `))
      .map((line) => line.slice(`${kind} column `.length).split(AFTER_TYPE)[0])
  const there = new Set(typed('has instead'))
  return typed('lacks').some((column) => !there.has(column))
}
const AFTER_TYPE = / (?:collate|not null|generated|default|storage|compression)\b/

/** Whether a difference is the lack of a key by which a recount finds the entries to correct. */
const isKeyOfDerived = (line: string) =>
  DERIVED_DATA.some((table) => line.includes(`lacks index CREATE UNIQUE INDEX ${table}_pkey `))

function structureCheck(differences: string[]): Check {
  const byHand = 'undo by hand what was changed, or restore a backup'
  const isMissing = lacksColumn(differences)
  return {
    name: 'tables and indexes',
    found: differences.length === 0 ? "this version's" : listed(differences),
    advice:
      differences.length === 0
        ? null
        : isMissing
          ? `${byHand}, and check again: totals and history cannot be looked at before`
          : byHand,
    first: isMissing || differences.some(isKeyOfDerived),
  }
}

function functionsCheck(differences: string[]): Check {
  return {
    name: 'functions and triggers',
    found: differences.length === 0 ? "this version's" : listed(differences),
    advice: differences.length === 0 ? null : `${REPAIR}: without them totals and days are not kept`,
  }
}

async function checkDerivedData(tx: Transaction): Promise<Check[]> {
  const [stored] = await tx.execute<{ rows: number; symbols: number; items: number; runs: number }>(sql`
    SELECT coalesce(sum(row_count), 0)::float8 AS rows, count(*)::float8 AS symbols,
           (SELECT count(*) FROM ingest_items)::float8 AS items, (SELECT count(*) FROM ingest_runs)::float8 AS runs
      FROM symbols`)
  const [ofRows, ofItems] = [
    `as the rows say (${stored?.rows ?? 0} rows of ${stored?.symbols ?? 0} symbols)`,
    `as the items say (${stored?.items ?? 0} items of ${stored?.runs ?? 0} runs)`,
  ]
  const wrong = await findWrongEntries(tx)
  return DERIVED_DATA.map((table) => {
    const { entries, examples } = wrong[table]
    return {
      name: DERIVED_NAMES[table],
      found:
        entries === 0
          ? table === 'run_totals'
            ? ofItems
            : ofRows
          : `${entries} are not what the rows say: ${listed(examples, entries)}`,
      advice: entries === 0 ? null : `${REPAIR}: until then counts and pages are wrong`,
    }
  })
}

const DERIVED_NAMES = {
  symbols: 'totals of symbols',
  symbol_days: 'days of symbols',
  symbol_prefixes: 'totals of two characters',
  run_totals: 'totals of runs',
}

/** Checks what constraints ensure, in case somebody dropped them, and what no constraint can ensure. */
async function checkHistory(tx: Transaction): Promise<Check[]> {
  const missing = (table: string, column: string, of: string) => sql`
    SELECT ${sql.raw(column)}::text AS id FROM ${sql.raw(table)} AS one
     WHERE NOT EXISTS (SELECT FROM ${sql.raw(of)} AS other WHERE other.id = one.${sql.raw(column)})`
  const questions: { name: string; wrong: SQL; advice: string }[] = [
    {
      name: 'items without a run',
      wrong: missing('ingest_items', 'run_id', 'ingest_runs'),
      advice: 'restore the run from a backup, or delete the items',
    },
    {
      name: 'failures without their item',
      wrong: sql`
        SELECT one.id::text AS id FROM ingest_failures AS one LEFT JOIN ingest_items AS item ON item.id = one.item_id
         WHERE (item.run_id, item.symbol) IS DISTINCT FROM (one.run_id, one.symbol)`,
      advice: 'restore the items from a backup, or delete the failures',
    },
    {
      name: 'links of rejected rows without an end',
      wrong: sql`${missing('item_rejected_rows', 'item_id', 'ingest_items')}
                 UNION ALL ${missing('item_rejected_rows', 'rejected_row_id', 'rejected_rows')}`,
      advice: 'delete them from item_rejected_rows',
    },
    {
      name: 'kept answers without a run',
      wrong: missing('idempotency_keys', 'run_id', 'ingest_runs'),
      advice: 'delete them from idempotency_keys',
    },
    {
      name: 'failed items without a final failure',
      wrong: sql`
        SELECT id::text FROM ingest_items AS item WHERE state = 'failed'
           AND NOT EXISTS (SELECT FROM ingest_failures WHERE item_id = item.id AND final)`,
      advice: 'ask for their symbols again: POST /api/ingest/{id}/retry',
    },
    {
      name: 'items with more attempts than failures',
      wrong: sql`
        SELECT id::text FROM ingest_items AS item WHERE attempts > 0
           AND attempts > (SELECT count(*) FROM ingest_failures WHERE item_id = item.id)`,
      advice: 'failures were deleted: what they said is in a backup alone',
    },
  ]
  const checks: Check[] = []
  for (const { name, wrong, advice } of questions) {
    const [found] = await tx.execute<{ count: number; examples: string[] }>(sql`
      SELECT count(*)::float8 AS count, coalesce(to_json((array_agg(id ORDER BY id))[1:5]), '[]') AS examples
        FROM (${wrong}) AS one`)
    const { count, examples } = found ?? { count: 0, examples: [] }
    checks.push({
      name,
      found: count === 0 ? 'none' : `${count}: ${listed(examples, count)}`,
      advice: count === 0 ? null : advice,
    })
  }
  return checks
}

/** The first five names. @param of how many names there are in all */
function listed(names: readonly string[], of = names.length): string {
  const shown = names.slice(0, 5)
  return shown.join('; ') + (of > shown.length ? `; and ${of - shown.length} more` : '')
}
