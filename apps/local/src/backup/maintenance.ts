import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { backUp } from '@stockpile/db/backup'
import { readBackupHeader, restore } from '@stockpile/db/restore'
import type { Config } from '../settings/config.js'
import { hasTables, prepareDatabase } from '../database/prepare.js'
import { openForMaintenance, POSTGRES_FOLDER } from '../database/server.js'
import { prepareHomeFolders } from '../settings/home-folders.js'
import { databaseName } from '../messages.js'
import { thousands } from '../terminal/figures.js'
import { StartError } from '../errors.js'

export interface MaintenanceOptions {
  print: (line: string) => void
  /** Ends the work at once. A backup leaves no file then, a restore an empty database. */
  signal: AbortSignal
}

/**
 * Writes the database of `npm start`, or of DATABASE_URL, into a new file, whether or not Stockpile runs on it.
 * @throws StartError, the signal's reason, or an error whose sentence `errorSentence` gives
 */
export async function backUpTo(
  file: string,
  config: Config,
  { print, signal }: MaintenanceOptions,
): Promise<void> {
  if (config.databaseUrl === undefined) {
    await access(join(config.home, POSTGRES_FOLDER)).catch(() => {
      throw new StartError(
        `There is nothing to back up: ${config.home} holds no database. STOCKPILE_HOME names another folder.`,
      )
    })
  }
  const server = await openForMaintenance(config, print)
  try {
    // Real prices go first: a person who forgets the key must not get a backup of made-up prices.
    for (const simulated of [false, true]) {
      const url = server.urlOf(simulated)
      if (!(await hasTables(url))) continue
      const { tables, rows } = await backUp(url, file, { simulated, signal })
      print(`Backed up ${named(url, simulated)}: ${thousands(rows)} rows of ${tables} tables, in ${file}.`)
      return
    }
    throw new StartError(
      `There is nothing to back up: no database ${databaseName(server.urlOf(false))} of Stockpile.`,
    )
  } finally {
    await server.close()
  }
}

/**
 * Restores a backup's file into a database without rows, which is made when it is missing.
 * @throws StartError, the signal's reason, or an error whose sentence `errorSentence` gives
 */
export async function restoreFrom(
  file: string,
  config: Config,
  { print, signal }: MaintenanceOptions,
): Promise<void> {
  const { simulated, createdAt } = await readBackupHeader(file)
  if (config.databaseUrl === undefined) await prepareHomeFolders(config.home, [POSTGRES_FOLDER])
  const server = await openForMaintenance(config, print)
  try {
    const url = server.urlOf(simulated)
    const repaired = await prepareDatabase({ databaseUrl: url, rolePasswords: undefined })
    if (repaired !== undefined) print(repaired)
    const { tables, rows } = await restore(url, file, { signal })
    print(
      `Restored ${named(url, simulated)} as of ${createdAt}: ${thousands(rows)} rows of ${tables} tables.`,
    )
    print(
      'Its ledger of requests is as old: the limits of the last day are not known any more. Wait a day with the next start, or expect a refusal, which puts the book right.',
    )
  } finally {
    await server.close()
  }
}

function named(url: string, simulated: boolean): string {
  return `database ${databaseName(url)}${simulated ? ' (made-up prices)' : ''}`
}
