import { once } from 'node:events'
import { createConnection, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { codeOf, StartError } from '../errors.js'

const PROBE_TIMEOUT_MS = 2_000
const POLL_MS = 100

const documentSchema = z.object({ info: z.object({ title: z.literal('Stockpile') }) })

export type PortState = 'free' | 'stockpile'

/**
 * Whether an address is free to listen on, or held by an API of Stockpile, which may be that of a killed start.
 * @throws StartError when another program holds the address, or this machine does not allow to listen on it
 */
export async function lookAtPort(host: string, port: number): Promise<PortState> {
  if (await isFree(host, port)) return 'free'
  const holder = await holderOf(host, port)
  if (holder === 'other') throw new StartError(takenText(host, port, holder))
  return holder === 'nobody' ? 'free' : 'stockpile'
}

/**
 * Waits until the API of a killed start has closed its port.
 * @throws StartError when the port is still held after `deadlineMs` milliseconds
 */
export async function waitForPort(
  host: string,
  port: number,
  options: { deadlineMs: number; signal: AbortSignal },
): Promise<void> {
  const deadline = performance.now() + options.deadlineMs
  while (!(await isFree(host, port))) {
    if (performance.now() > deadline) {
      throw new StartError(takenText(host, port, await holderOf(host, port)))
    }
    await sleep(POLL_MS, undefined, { signal: options.signal })
  }
}

/** Whether anything accepts TCP connections at an address within 2 s. */
export async function isReachable(host: string, port: number): Promise<boolean> {
  const socket = createConnection({ host, port })
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) })
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** The address at which this machine reaches a server that listens on `host`. */
export function localAddress(host: string): string {
  return host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
}

async function isFree(host: string, port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen({ host, port, exclusive: true })
    await once(server, 'listening')
    server.close()
    await once(server, 'close')
    return true
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EADDRINUSE') return false
    if (code === 'EACCES') {
      throw new StartError(
        `PORT ${port} needs more rights than this user has: choose one above 1023, e.g. PORT=8082 npm start.`,
      )
    }
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
      throw new StartError(`HOST ${host} is no address of this machine: set it to 127.0.0.1, or unset it.`)
    }
    throw error
  }
}

type Holder = 'stockpile' | 'nobody' | 'other'

async function holderOf(host: string, port: number): Promise<Holder> {
  const address = localAddress(host)
  try {
    const name = address.includes(':') ? `[${address}]` : address
    const answer = await fetch(`http://${name}:${port}/openapi.json`, {
      signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
    })
    return documentSchema.safeParse(await answer.json()).success ? 'stockpile' : 'other'
  } catch {
    // An API that is just closing refuses connections: its port is free in a moment.
    return (await isReachable(address, port)) ? 'other' : 'nobody'
  }
}

function takenText(host: string, port: number, holder: Holder): string {
  const [who, so] =
    holder === 'stockpile'
      ? ["another Stockpile's API, which goes on running", 'use that one, end it,']
      : ['another program', 'end that one,']
  return `Port ${port} of ${host} is taken by ${who}: ${so} or choose another port, e.g. PORT=${port < 65_535 ? port + 1 : 8081} npm start.`
}
