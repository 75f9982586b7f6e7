import { access, constants } from 'node:fs/promises'
import { waitForOldPrograms } from './database/old-programs.js'
import type { DatabaseServer } from './database/server.js'
import { messageOf, StartError } from './errors.js'
import { isReachable, type PortState, waitForPort } from './programs/port.js'
import type { Config } from './settings/config.js'
import type { Terminal } from './terminal/terminal.js'

/** What is left of a killed npm start ends within this time, unless a program waits for a slow answer. */
const OLD_PROGRAMS_MS = 15_000

/** @throws StartError when the key's file cannot be read */
export async function checkKeyFile({ apiKeyFile }: Config): Promise<void> {
  if (apiKeyFile === undefined) return
  await access(apiKeyFile, constants.R_OK).catch((error: unknown) => {
    throw new StartError(`ALPHAVANTAGE_API_KEY_FILE cannot be read: ${messageOf(error)}.`)
  })
}

/** Says that the Redis of REDIS_URL does not answer: the start goes on without it. */
export async function warnOfRedis({ redisUrl }: Config, terminal: Terminal): Promise<void> {
  if (redisUrl === undefined) return
  const { hostname, port, host } = new URL(redisUrl)
  if (await isReachable(hostname.replaceAll(/^\[|\]$/g, ''), port === '' ? 6379 : Number(port))) return
  const text = `The Redis at ${host} (REDIS_URL) does not answer: what is stored is served, and runs wait until it is back.`
  terminal.print([{ text, style: 'yellow' }])
}

/**
 * Waits for the API and the programs of a killed npm start to end.
 * @throws StartError when the port is still taken after the wait
 */
export async function waitForPredecessor(
  { databaseUrl, embedded }: DatabaseServer,
  {
    config,
    port,
    terminal,
    signal,
  }: { config: Config; port: PortState; terminal: Terminal; signal: AbortSignal },
): Promise<void> {
  const deadlineMs = OLD_PROGRAMS_MS
  if (port === 'stockpile') {
    terminal.print(
      `Port ${config.port} is held by another Stockpile's API: waiting for it, in case it is ending …`,
    )
    await waitForPort(config.host, config.port, { deadlineMs, signal })
  }
  if (embedded?.survived !== true) return
  const onWaiting = () => terminal.print('An earlier npm start was killed: waiting for its programs to end …')
  if (!(await waitForOldPrograms(databaseUrl, { deadlineMs, signal, onWaiting }))) {
    terminal.print('They still work; that does no harm, so the start goes on.')
  }
}
