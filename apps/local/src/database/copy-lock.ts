import { setTimeout as sleep } from 'node:timers/promises'
import { postgresJsOptions } from '@stockpile/db/driver-options'
import postgres from 'postgres'
import { deferred } from '../promises.js'
import { codeOf, StartError } from '../errors.js'

/**
 * The key of an advisory lock, "COPY" in ASCII. It is taken in the maintenance database of the embedded server, so that
 * there is one lock for each STOCKPILE_HOME.
 */
const LOCK = 0x434f5059
/** An npm start that is just stopping, or was just killed, releases the lock within this time. */
const PATIENCE_MS = 3_000
/** How long a server that crashed may take to come back by itself. */
const RECOVERY_MS = 60_000
const POLL_MS = 100

/** What is said of the embedded server's end: nobody but its npm start has a reason to end it. */
export const ENDED =
  'PostgreSQL was ended by somebody, or by the system for want of memory. What was stored is safe: npm start again goes on from there.'

/** Another npm start, backup or restore works on this data. */
export class CopyTakenError extends StartError {}

export interface CopyLock {
  /** Rejects with StartError when the lock cannot be kept: the server has gone. Never resolves. */
  lost: Promise<never>
  release(): Promise<void>
}

/**
 * Makes this process the only one that works on the server. The lock belongs to a connection, so it ends with this process,
 * however the process ends.
 * @throws CopyTakenError when another process has the lock; the driver's error when the server goes away meanwhile
 */
export async function takeCopyLock(url: string): Promise<CopyLock> {
  let released = false
  let held = false
  const { promise: lost, reject } = deferred<never>()
  const sql = postgres({
    ...postgresJsOptions(url, { applicationName: `stockpile-start ${process.pid}` }),
    max: 1,
    // By default the driver replaces a connection after half an hour, and the lock would be gone.
    max_lifetime: null,
    backoff: () => POLL_MS / 1_000,
    fetch_types: false,
    onnotice: () => undefined,
    onclose: () => {
      if (held && !released) void retake().catch(reject)
    },
  })
  const tryTake = async () => {
    const [row] = await sql<{ taken: boolean }[]>`select pg_try_advisory_lock(${LOCK}) as taken`
    return row?.taken === true
  }

  /** Takes the lock again after a crash of one backend, which ends all connections while the server recovers in a moment. */
  async function retake(): Promise<void> {
    held = false
    const deadline = performance.now() + RECOVERY_MS
    for (;;) {
      try {
        if (await tryTake()) break
        throw new StartError('Another npm start took over this data.')
      } catch (error) {
        if (released) return
        if (error instanceof StartError) throw error
        if (performance.now() > deadline || codeOf(error) === 'ECONNREFUSED') {
          throw new StartError(ENDED)
        }
        await sleep(POLL_MS)
      }
    }
    held = true
  }

  const release = async () => {
    released = true
    await sql.end({ timeout: 1 })
  }
  try {
    const deadline = performance.now() + PATIENCE_MS
    while (!(await tryTake())) {
      if (performance.now() > deadline) throw new CopyTakenError(await takenText(sql))
      await sleep(POLL_MS)
    }
  } catch (error) {
    await release()
    throw error
  }
  held = true
  return { lost, release }
}

async function takenText(sql: postgres.Sql): Promise<string> {
  const [holder] = await sql<{ name: string }[]>`
    select application_name as name from pg_locks join pg_stat_activity using (pid)
     where locktype = 'advisory' and objid = ${LOCK} and granted and database = (select oid from pg_database where datname = current_database())`
  const pid = /^stockpile-start (\d+)$/.exec(holder?.name ?? '')?.[1]
  return `Another npm start is running on this data${pid === undefined ? '' : ` (process ${pid})`}: use that one or end it. For one beside it, give this one its own: STOCKPILE_HOME=.stockpile-2 PORT=8082 npm start.`
}
