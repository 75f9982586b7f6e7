import { execFile } from 'node:child_process'
import { rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { mountSmallDisk } from '../../disturbances/small-disk.js'
import { BACKENDS } from '../../environment/backends.js'
import type { Environment } from '../../environment/environment.js'
import { symbols } from '../../environment/symbols.js'
import { outlastStorage, UNSTORABLE_ENVIRONMENT } from '../../steps/outlast-storage.js'
import type { Scenario } from '../scenario.js'

/** Room for ten segments of the write-ahead log, 16 MiB each, of which a small cluster keeps some. */
const MEBIBYTES = 160

export const walDiskFull: Scenario = {
  number: 53,
  title:
    "the disk of PostgreSQL's write-ahead log is full, so that it ends itself: nothing more is asked for, all is stored when it is up again",
  backends: BACKENDS,
  environment: { ...UNSTORABLE_ENVIRONMENT, ownPostgres: true, allows503: true },
  async run(environment) {
    const { servers, sql, crashPostgres, restartPostgres, until } = environment
    const [server] = await sql<{ folder: string }[]>`SELECT current_setting('data_directory') AS folder`
    const log = join(server?.folder ?? '', 'pg_wal')
    const disk = await mountSmallDisk(join(servers.folder, 'wal_disk'), MEBIBYTES, server?.folder ?? '')
    if (typeof disk === 'string') return { skipped: disk }
    try {
      await crashPostgres()
      await moveFolder(log, join(disk.folder, 'pg_wal'))
      await symlink(join(disk.folder, 'pg_wal'), log)
      await restartPostgres()
      await until(
        'an API that answers',
        async () => (await environment.http.request('/readyz')).status === 200,
      )
      return await outlastStorage(environment, symbols(20), {
        request: { outputsize: 'full' },
        mark: null,
        cause: 'database',
        prepare: () => disk.fill(),
        begin: () => until('the end of PostgreSQL', () => usesUpSegment(environment)),
        async end() {
          // PostgreSQL gives up when it cannot write during recovery, so a person must start it again on a larger disk.
          await crashPostgres()
          await disk.free()
          await moveFolder(join(disk.folder, 'pg_wal'), log)
          await restartPostgres()
        },
      })
    } finally {
      await disk.remove()
    }
  },
}

/** Moves a folder and keeps its owner, which is another account than this process's; replaces a link at `to`. */
async function moveFolder(from: string, to: string): Promise<void> {
  await rm(to, { force: true })
  await promisify(execFile)('cp', ['-a', from, to])
  await rm(from, { recursive: true })
}

/** Begins a new segment of the log, and returns whether the disk had no room for it. */
async function usesUpSegment({ sql }: Environment): Promise<boolean> {
  try {
    await sql`SELECT pg_logical_emit_message(false, 'faults', 'so that there is something to switch from')`
    await sql`SELECT pg_switch_wal()`
    return false
  } catch {
    return true
  }
}
