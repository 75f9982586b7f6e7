import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Environment } from './environment.js'

/**
 * Writes the logs of all programs, the first items and failures and the last requests to a file.
 * @returns the file's path
 */
export async function keepLogs(name: string, environment: Environment): Promise<string> {
  const { sql, simulator, programs } = environment
  const file = join(tmpdir(), `stockpile-${name}.log`)
  const records = {
    items: await sql`SELECT * FROM ingest_items ORDER BY id LIMIT 100`.catch(String),
    failures: await sql`SELECT * FROM ingest_failures ORDER BY id LIMIT 100`.catch(String),
    arrivals: simulator.arrivals().slice(-200),
  }
  await writeFile(file, [...programs.outputs(), JSON.stringify(records, undefined, 1)].join('\n\n'))
  return file
}
