import { once } from 'node:events'
import { createClient } from '@stockpile/alphavantage'
import { startBottleneck, startBullmq, startRateLimiterFlexible } from './limiters.js'
import { startStockpile } from './stockpile.js'
import { taskSchema } from './task.js'
import type { Task } from './task.js'

// One of the sending processes, forked by senders.ts: it gets its task, says when it is ready, and waits for the word to go.
process.on('disconnect', () => process.exit())
const go = await start(taskSchema.parse((await once(process, 'message'))[0]))
process.send?.('ready')
await once(process, 'message')
go()

async function start(task: Task): Promise<() => void> {
  if (task.contestant === 'stockpile') return startStockpile(task)
  if (task.redisUrl === null) throw new Error(`${task.contestant} needs a Redis`)
  const limited = { ...task, redisUrl: task.redisUrl }
  const client = createClient({ baseUrl: task.simulatorUrl, apiKey: () => 'bench' })
  let count = 0
  const send = async () => {
    const symbol = task.symbols[count % task.symbols.length] ?? ''
    count += 1
    await client.fetchDaily({ symbol, outputsize: 'compact' })
  }
  switch (task.contestant) {
    case 'bullmq':
      return startBullmq(limited, send)
    case 'rate-limiter-flexible':
      return startRateLimiterFlexible(limited, send)
    case 'bottleneck':
      return startBottleneck(limited, send)
  }
}
