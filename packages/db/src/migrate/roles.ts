import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { connect } from '../database/connection.js'
import type { Database } from '../database/connection.js'
import { SentenceError } from '../database/error-sentence.js'

/** The programs that get a role of their own. The owner of the tables, as whom migrations run, is another role. */
export type ProcessName = 'api' | 'worker'
export type ProcessRoles = Record<ProcessName, string>

/** PostgreSQL cuts longer names off, so that two roles could become one. */
const MAX_NAME_BYTES = 63
/** The names that an earlier version gave the roles of every database. */
const EARLIER_ROLES: ProcessRoles = { api: 'stockpile_api', worker: 'stockpile_worker' }

/** A role cannot be made or used; the message says what to do. */
export class RoleError extends SentenceError {
  override readonly name = 'RoleError'
}

/**
 * Names the roles after their database, since roles belong to the whole server: no two databases then share a password.
 * @throws RoleError for a database whose name is too long
 */
export function processRoles(database: string): ProcessRoles {
  const roles = { api: `${database}_api`, worker: `${database}_worker` }
  if (Buffer.byteLength(roles.worker) > MAX_NAME_BYTES) {
    throw new RoleError(
      `The database's name ${database} is too long to name the roles of API and worker after it: take one of at most ${MAX_NAME_BYTES - '_worker'.length} bytes, or leave API_DATABASE_PASSWORD and WORKER_DATABASE_PASSWORD out.`,
    )
  }
  return roles
}

/** The roles that programs connect as now, and those of an earlier version that still can. */
export interface PreparedRoles {
  roles: ProcessRoles
  /** Roles of an earlier version: they keep their rights in this database and their passwords. */
  earlier: string[]
}

type Right = 'INSERT' | 'UPDATE' | 'DELETE'

/** The tables that each program writes; both read all. To lock rows (FOR UPDATE) takes the right to UPDATE. */
const WRITES: Record<ProcessName, Partial<Record<Right, readonly string[]>>> = {
  api: {
    INSERT: ['idempotency_keys', 'ingest_failures', 'ingest_items', 'ingest_runs', 'run_totals'],
    UPDATE: ['idempotency_keys', 'ingest_items', 'ingest_runs', 'run_totals'],
  },
  worker: {
    INSERT: [
      'asked_symbols',
      'financial_data',
      'ingest_failures',
      'ingest_items',
      'ingest_runs',
      'item_rejected_rows',
      'price_revisions',
      'provider_access',
      'provider_keys',
      'provider_request_days',
      'provider_requests',
      'refusal_classes',
      'rejected_rows',
      'run_totals',
      'symbol_days',
      'symbol_prefixes',
      'symbols',
      'workers',
    ],
    // Revisions and failures are never changed.
    UPDATE: [
      'financial_data',
      'ingest_items',
      'ingest_runs',
      'provider_access',
      'provider_keys',
      'provider_request_days',
      'provider_requests',
      'provider_state',
      'refusal_classes',
      'rejected_rows',
      'run_totals',
      'symbol_days',
      'symbol_prefixes',
      'symbols',
      'workers',
    ],
    // Prices, revisions and rejected rows are never deleted.
    DELETE: [
      'idempotency_keys',
      'ingest_failures',
      'ingest_items',
      'ingest_runs',
      'item_rejected_rows',
      'provider_access',
      'provider_requests',
      'run_totals',
      'workers',
    ],
  },
}

/** "ROLES" in ASCII: the advisory lock under which one program at a time makes this database's roles. */
const ROLES_LOCK = 0x524f4c4553

/**
 * Makes the roles of API and worker where they are missing, sets their passwords, and grants each the rights that it needs
 * in this database, after revoking earlier ones. To be called after every migration, since tables come and go.
 * @param databaseUrl of the owner of the tables, who may make roles
 * @param options.roles names to use instead of those after the database
 * @param options.queueSchema the schema of a queue in this database, whose tables both roles need
 * @throws RoleError when a role of such a name is not Stockpile's; that role stays as it is
 */
export async function prepareRoles(
  databaseUrl: string,
  options: { passwords: Record<ProcessName, string>; queueSchema: string; roles?: ProcessRoles },
): Promise<PreparedRoles> {
  const { db, close } = connect({
    databaseUrl,
    applicationName: 'stockpile-migrate',
    maxConnections: 1,
    statementTimeoutMs: 0,
  })
  try {
    for (let collisions = 0; ; collisions += 1) {
      try {
        return await db.transaction((tx) => prepareIn(tx, options))
      } catch (error) {
        if (!isCollision(error) || collisions === MAX_COLLISIONS) throw error
        await sleep(Math.random() * 500)
      }
    }
  } finally {
    await close()
  }
}

async function prepareIn(
  db: Database,
  { passwords, queueSchema, roles: given }: Parameters<typeof prepareRoles>[1],
): Promise<PreparedRoles> {
  await db.execute(sql`SELECT pg_advisory_xact_lock(${ROLES_LOCK}::bigint)`)
  // Not the name in the URL, since a pooler may know the database by another name.
  const [current] = await db.execute<{ name: string }>(sql`SELECT current_database() AS name`)
  const roles = given ?? processRoles(current?.name ?? '')
  const earlier: string[] = []
  for (const name of ['api', 'worker'] as const) {
    await makeRole(db, roles[name], passwords[name])
    await grant(db, name, roles[name])
    const before = EARLIER_ROLES[name]
    if (before === roles[name] || !(await hasRights(db, before))) continue
    await grant(db, name, before)
    earlier.push(before)
  }
  await grantQueue(db, queueSchema, [...Object.values(roles), ...earlier])
  return { roles, earlier }
}

/** Whether a role was granted rights in this database itself, beyond the rights that every role has. */
async function hasRights(db: Database, role: string): Promise<boolean> {
  const [found] = await db.execute(sql`
    SELECT FROM pg_shdepend JOIN pg_roles ON pg_roles.oid = refobjid
     WHERE refclassid = 'pg_authid'::regclass AND rolname = ${role}
       AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
     LIMIT 1`)
  return found !== undefined
}

/** Enough for programs that make roles for other databases of the server at once: at each collision one of them succeeds. */
const MAX_COLLISIONS = 20

/** Whether two programs made roles at once for two databases: roles belong to the server, advisory locks to one database. */
function isCollision(error: unknown): boolean {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (!(cause instanceof Error && 'code' in cause)) return false
  // Another program made the role meanwhile, or changed it, for which PostgreSQL has no code of its own.
  return (
    cause.code === '42710' ||
    cause.code === '23505' ||
    (cause.code === 'XX000' && cause.message.includes('concurrently updated'))
  )
}

async function makeRole(db: Database, role: string, password: string): Promise<void> {
  const [known] = await db.execute<{ isForeign: boolean }>(sql`
    SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
           OR EXISTS (SELECT FROM pg_database WHERE datdba = pg_roles.oid) AS "isForeign"
      FROM pg_roles WHERE rolname = ${role}`)
  if (known?.isForeign === true) {
    throw new RoleError(
      `The server has a role ${role} that is not Stockpile's: it owns a database or has rights that Stockpile gives none. Its password was not changed: rename it, give Stockpile's database another name, or leave API_DATABASE_PASSWORD and WORKER_DATABASE_PASSWORD out.`,
    )
  }
  // CREATE ROLE and ALTER ROLE take no parameters; the verifier has no quote in it.
  const options = sql.raw(`LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '${scramVerifier(password)}'`)
  await db.execute(
    sql`${sql.raw(known === undefined ? 'CREATE' : 'ALTER')} ROLE ${sql.identifier(role)} ${options}`,
  )
}

async function grant(db: Database, name: ProcessName, roleName: string): Promise<void> {
  const role = sql.identifier(roleName)
  for (const schema of ['public', 'drizzle']) {
    await db.execute(sql`REVOKE ALL ON ALL TABLES IN SCHEMA ${sql.identifier(schema)} FROM ${role}`)
    await db.execute(sql`GRANT USAGE ON SCHEMA ${sql.identifier(schema)} TO ${role}`)
    await db.execute(sql`GRANT SELECT ON ALL TABLES IN SCHEMA ${sql.identifier(schema)} TO ${role}`)
  }
  const listed = (tables: readonly string[]) =>
    sql.join(
      tables.map((table) => sql`public.${sql.identifier(table)}`),
      sql`, `,
    )
  for (const right of ['INSERT', 'UPDATE', 'DELETE'] as const) {
    const tables = WRITES[name][right]
    if (tables !== undefined) await db.execute(sql`GRANT ${sql.raw(right)} ON ${listed(tables)} TO ${role}`)
  }
}

/** Grants both roles the queue's schema: the first role to use a queue makes its sequence, and the other uses it too. */
async function grantQueue(db: Database, schemaName: string, roles: readonly string[]): Promise<void> {
  const [known] = await db.execute(sql`SELECT FROM pg_namespace WHERE nspname = ${schemaName}`)
  if (known === undefined) return
  const schema = sql.identifier(schemaName)
  const both = sql.join(
    roles.map((role) => sql.identifier(role)),
    sql`, `,
  )
  const onSequences = sql`GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO ${both}`
  await db.execute(sql`GRANT USAGE, CREATE ON SCHEMA ${schema} TO ${both}`)
  await db.execute(sql`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${both}`)
  await db.execute(sql`GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA ${schema} TO ${both}`)
  await db.execute(sql`ALTER DEFAULT PRIVILEGES FOR ROLE ${both} IN SCHEMA ${schema} ${onSequences}`)
}

const ITERATIONS = 4_096

/**
 * The form in which PostgreSQL keeps a password (RFC 5803), so that the password itself is in no statement and no log of the
 * server. A client prepares a password by SASLprep (RFC 4013), which leaves printable ASCII as it is.
 */
function scramVerifier(password: string): string {
  const salt = randomBytes(16)
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, ITERATIONS, 32, 'sha256')
  const keyOf = (name: string) => createHmac('sha256', salted).update(name).digest()
  const storedKey = createHash('sha256').update(keyOf('Client Key')).digest('base64')
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${storedKey}:${keyOf('Server Key').toString('base64')}`
}
