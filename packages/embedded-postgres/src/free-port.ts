import { once } from 'node:events'
import { createServer } from 'node:net'
import { codeOf } from './error.js'

/**
 * Returns a TCP port of 127.0.0.1 on which no program listens. Another program may take the port before the caller does, so
 * the caller must be ready to try another port.
 */
export async function freePort(): Promise<number> {
  const port = await listenOnce(0)
  if (port === undefined) throw new Error('No TCP port to be had on 127.0.0.1')
  return port
}

/** Tells whether no program listens on this port of 127.0.0.1, and this process may. */
export async function isFreePort(port: number): Promise<boolean> {
  return (await listenOnce(port)) !== undefined
}

/** Listens on a port for a moment; 0 chooses a free port. @returns the port, or undefined when it is taken or forbidden */
async function listenOnce(port: number): Promise<number | undefined> {
  const listener = createServer().listen({ port, host: '127.0.0.1', exclusive: true })
  try {
    await once(listener, 'listening')
  } catch (error) {
    if (codeOf(error) === 'EADDRINUSE' || codeOf(error) === 'EACCES') return undefined
    throw error
  }
  const address = listener.address()
  listener.close()
  await once(listener, 'close')
  return address === null || typeof address === 'string' ? undefined : address.port
}
