import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'

/** A server that takes no connection: a client waits for the kernel's answer until it gives up. */
export interface DeafServer {
  url: string
  close: () => Promise<void>
}

const BACKLOG = 1
const SCRIPT = `
const server = require('node:net').createServer()
server.listen({ port: 0, host: '127.0.0.1', backlog: ${BACKLOG} }, () => console.log(server.address().port))`

/** Starts a process that listens, freezes it, and fills its queue of connections; Linux drops further ones. */
export async function startDeafServer(): Promise<DeafServer> {
  const child = spawn(process.execPath, ['-e', SCRIPT], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const said: unknown[] = await once(createInterface({ input: child.stdout }), 'line')
  const port = Number(said[0])
  child.kill('SIGSTOP')
  const fillers: Socket[] = Array.from({ length: BACKLOG + 2 }, () => connect(port, '127.0.0.1'))
  for (const socket of fillers) socket.on('error', () => {})
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      for (const socket of fillers) socket.destroy()
      child.kill('SIGKILL')
      await exited
    },
  }
}
