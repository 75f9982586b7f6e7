import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { connect } from '../database/connection.js'
import type { Database } from '../database/connection.js'
import { SentenceError } from '../database/error-sentence.js'

/** The processes that serve and work. The owner, who migrates, is another: their roles change no table. */
export type ProcessName = 'api' | 'worker'
export type ProcessRoles = Record<ProcessName, string>

/** PostgreSQL cuts longer names off, so that two roles could become one. */
const MAX_NAME_BYTES = 63
/** Whatever their database's name, the roles were these once. */
const EARLIER_ROLES: ProcessRoles = { api: 'stockpile_api', worker: 'stockpile_worker' }

/** A role cannot be made; the message says what to do. */
export class RoleError extends SentenceError {
  override readonly name = 'RoleError'
}

/**
 * Named after their database, since roles belong to the whole server: no two databases share a password.
 * @throws RoleError for a database whose name leaves no room
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

/** Who connects, and who may still connect as an earlier version had it. */
export interface PreparedRoles {
  roles: ProcessRoles
  /** Roles of an earlier version: they keep their rights in this database, and whatever password they have. */
  earlier: string[]
}

type Right = 'INSERT' | 'UPDATE' | 'DELETE'

/** What each writes; both read everything. A row is also locked (FOR UPDATE) by the right to update it. */
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
    // What was stored before a change, and what failed, is never changed itself.
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
    // Neither prices nor what they were before, nor what was rejected: these are never deleted.
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

/** "ROLES" in ASCII. Whoever makes them for this database takes turns. */
const ROLES_LOCK = 0x524f4c4553

/**
 * Makes the roles of API and worker where they are missing, sets their passwords, and lets each do in this database what
 * it needs: after every migration, since tables come and go. Their earlier rights in it are taken back first.
 * @param databaseUrl of the owner of the tables, who may make roles
 * @param options.roles instead of those named after the database
 * @param options.queueSchema of a queue in this database, of whose tables both need all
 * @throws RoleError when a role of that name is somebody else's, which is left as it is
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
  // Not the address's: a pooler may know the database by another name.
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

/** In this database, of its own: none that everybody has. */
async function hasRights(db: Database, role: string): Promise<boolean> {
  const [found] = await db.execute(sql`
    SELECT FROM pg_shdepend JOIN pg_roles ON pg_roles.oid = refobjid
     WHERE refclassid = 'pg_authid'::regclass AND rolname = ${role}
       AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
     LIMIT 1`)
  return found !== undefined
}

/** Of those who make the same roles for other databases of the server, one gets on each time. */
const MAX_COLLISIONS = 20

/** Roles belong to the server, but advisory locks to a database: two that make them for two databases can collide. */
function isCollision(error: unknown): boolean {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (!(cause instanceof Error && 'code' in cause)) return false
  // Made in between by another; changed in between, for which there is no code of its own.
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
  // No statement takes parameters for these; the verifier has no quote.
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

/** BullMQ makes a sequence in its schema for each queue, whichever of the two comes first: the other uses it as well. */
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
 * What PostgreSQL keeps of a password (RFC 5803), so that the password itself is in no statement and no log of the server.
 * It takes it as the password is used: SASLprep (RFC 4013) changes nothing of the printable ASCII that generated ones are of.
 */
function scramVerifier(password: string): string {
  const salt = randomBytes(16)
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, ITERATIONS, 32, 'sha256')
  const keyOf = (name: string) => createHmac('sha256', salted).update(name).digest()
  const storedKey = createHash('sha256').update(keyOf('Client Key')).digest('base64')
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${storedKey}:${keyOf('Server Key').toString('base64')}`
}
