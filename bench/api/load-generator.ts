import { Agent, get } from 'node:http'
import { taskSchema } from './task.js'
import type { Measured, Task } from './task.js'

// A process forked by servers.ts, which sends the requests of one task after the other.
process.on('disconnect', () => process.exit())
process.on('message', (message) => {
  void run(taskSchema.parse(message)).then((measured) => process.send?.(measured))
})

async function run({ url, paths, concurrency, ms }: Task): Promise<Measured> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency })
  const latenciesMs: number[] = []
  let next = Math.floor(Math.random() * paths.length)
  const startedAt = performance.now()
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      do {
        const begunAt = performance.now()
        await request(`${url}${paths[next++ % paths.length]}`, agent)
        latenciesMs.push(performance.now() - begunAt)
      } while (performance.now() - startedAt < ms)
    }),
  )
  const elapsedMs = performance.now() - startedAt
  agent.destroy()
  return { latenciesMs, elapsedMs }
}

function request(url: string, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      response.on('error', reject).on('end', resolve).resume()
      if (response.statusCode !== 200) reject(new Error(`${response.statusCode} from ${url}`))
    }).on('error', reject)
  })
}
