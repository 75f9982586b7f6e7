import { setTimeout as sleep } from 'node:timers/promises'
import { postgresJsOptions } from '@stockpile/db/driver-options'
import postgres from 'postgres'
import { deferred } from '../deferred.js'
import { codeOf, StartError } from '../start-error.js'

/** "COPY" in ASCII. In the maintenance database of the embedded server, so one for each STOCKPILE_HOME. */
const LOCK = 0x434f5059
/** A copy that is just stopping, or was just killed, lets go within this. */
const PATIENCE_MS = 3_000
/** How long a server that crashed may take to come back by itself. */
const RECOVERY_MS = 60_000
const POLL_MS = 100

/** Of the embedded server, which nobody else has a reason to end. */
export const ENDED =
  'PostgreSQL was ended by somebody, or by the system for want of memory. What was stored is safe: npm start again goes on from there.'

/** Another process works on this data. */
export class CopyTakenError extends StartError {}

export interface CopyLock {
  /** Rejects with StartError when the lock cannot be kept: the server has gone. Never resolves. */
  lost: Promise<never>
  release(): Promise<void>
}

/**
 * Makes this the only copy on the server. The lock is the connection's: it goes with this process, however that ends.
 * @throws CopyTakenError when another copy has it; the driver's error when the server goes away meanwhile
 */
export async function takeCopyLock(url: string): Promise<CopyLock> {
  let released = false
  let held = false
  const { promise: lost, reject } = deferred<never>()
  const sql = postgres({
    ...postgresJsOptions(url, { applicationName: `stockpile-start ${process.pid}` }),
    max: 1,
    // By default the driver replaces a connection after half an hour: the lock would be gone.
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

  /** A backend that crashes takes every connection with it; the server then recovers in a moment. */
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
