import type postgres from 'postgres'
import { type Connection, connect } from '../database/connection.js'

/** A signal that never comes. */
export const NEVER: AbortSignal = new AbortController().signal

export function openForBackup(databaseUrl: string): Connection {
  return connect({
    databaseUrl,
    applicationName: 'stockpile-backup',
    maxConnections: 1,
    statementTimeoutMs: 0,
  })
}

/**
 * Runs a transaction whose connection the signal, or the first failure, ends: a rollback would first wait for the rest of a
 * COPY, which is not read any more.
 */
export async function interruptible<T>(
  { db }: Connection,
  signal: AbortSignal,
  options: string,
  work: (sql: postgres.TransactionSql) => Promise<T>,
): Promise<T> {
  let failure: { error: unknown } | undefined
  const cut = () => void db.$client.end({ timeout: 0 })
  signal.throwIfAborted()
  signal.addEventListener('abort', cut)
  try {
    const begun = db.$client.begin(options, async (sql) => {
      try {
        return { result: await work(sql) }
      } catch (error) {
        failure = { error }
        cut()
        throw error
      }
    })
    return (await begun).result
  } catch (error) {
    signal.throwIfAborted()
    throw failure === undefined ? error : failure.error
  } finally {
    signal.removeEventListener('abort', cut)
  }
}
