import { once } from 'node:events'
import { createServer } from 'node:net'
import { codeOf } from './error.js'

/** A TCP port of 127.0.0.1 that nobody listens on. Somebody may before the caller does: it then starts again with another. */
export async function freePort(): Promise<number> {
  const port = await listenOnce(0)
  if (port === undefined) throw new Error('No TCP port to be had on 127.0.0.1')
  return port
}

/** Whether nobody listens on this port of 127.0.0.1, and we may. */
export async function isFreePort(port: number): Promise<boolean> {
  return (await listenOnce(port)) !== undefined
}

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
