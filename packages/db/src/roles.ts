import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { connect } from './connection.js'
import type { Database } from './connection.js'

/** The roles of the processes that serve and work. The owner, who migrates, is another: these change no table. */
export const PROCESS_ROLES = { api: 'stockpile_api', worker: 'stockpile_worker' } as const
export type ProcessName = keyof typeof PROCESS_ROLES

/** What each writes; both read everything. */
const WRITES: Record<
  ProcessName,
  { insertAndUpdate: readonly string[] | 'everything'; remove: readonly string[] }
> = {
  api: {
    insertAndUpdate: ['ingest_runs', 'ingest_items', 'ingest_failures', 'idempotency_keys', 'run_totals'],
    remove: [],
  },
  worker: {
    insertAndUpdate: 'everything',
    // Neither prices nor what they were before, nor what was rejected: these are never deleted.
    remove: [
      'idempotency_keys',
      'ingest_failures',
      'ingest_items',
      'ingest_runs',
      'item_rejected_rows',
      'provider_access',
      'provider_requests',
      'run_totals',
      'symbol_days',
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
 * @param options.queueSchema of a queue in this database, of whose tables both need all
 */
export async function prepareRoles(
  databaseUrl: string,
  { passwords, queueSchema }: { passwords: Record<ProcessName, string>; queueSchema: string },
): Promise<void> {
  const { db, close } = connect({
    databaseUrl,
    applicationName: 'stockpile-migrate',
    maxConnections: 1,
    statementTimeoutMs: 0,
  })
  try {
    for (let collisions = 0; ; collisions += 1) {
      try {
        await db.transaction(async (tx) => {
          await tx.execute(sql`SELECT pg_advisory_xact_lock(${ROLES_LOCK}::bigint)`)
          for (const name of ['api', 'worker'] as const) {
            await makeRole(tx, PROCESS_ROLES[name], passwords[name])
            await grant(tx, name)
          }
          await grantQueue(tx, queueSchema)
        })
        return
      } catch (error) {
        if (!isCollision(error) || collisions === MAX_COLLISIONS) throw error
        await sleep(Math.random() * 500)
      }
    }
  } finally {
    await close()
  }
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
  const [known] = await db.execute(sql`SELECT FROM pg_roles WHERE rolname = ${role}`)
  // No statement takes parameters for these; the name is ours, and the verifier has no quote.
  const options = sql.raw(`LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '${scramVerifier(password)}'`)
  await db.execute(
    sql`${sql.raw(known === undefined ? 'CREATE' : 'ALTER')} ROLE ${sql.identifier(role)} ${options}`,
  )
}

async function grant(db: Database, name: ProcessName): Promise<void> {
  const role = sql.identifier(PROCESS_ROLES[name])
  const { insertAndUpdate, remove } = WRITES[name]
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
  const written =
    insertAndUpdate === 'everything' ? sql`ALL TABLES IN SCHEMA public` : sql`${listed(insertAndUpdate)}`
  await db.execute(sql`GRANT INSERT, UPDATE ON ${written} TO ${role}`)
  if (remove.length > 0) await db.execute(sql`GRANT DELETE ON ${listed(remove)} TO ${role}`)
}

/** BullMQ makes a sequence in its schema for each queue, whichever of the two comes first: the other uses it as well. */
async function grantQueue(db: Database, schemaName: string): Promise<void> {
  const [known] = await db.execute(sql`SELECT FROM pg_namespace WHERE nspname = ${schemaName}`)
  if (known === undefined) return
  const schema = sql.identifier(schemaName)
  const [api, worker] = [sql.identifier(PROCESS_ROLES.api), sql.identifier(PROCESS_ROLES.worker)]
  const both = sql`${api}, ${worker}`
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
