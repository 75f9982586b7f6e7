import { once } from 'node:events'
import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

/** Makes these requests another client's than the measured one's: the API tells clients apart by address. */
const ADDRESS = '127.0.0.2'
const UNREAD_EXPORTS = 4
const STATISTICS = 8
/** How soon a refused or interrupted request is sent again: sooner than any Retry-After asks for. */
const AGAIN_MS = 100

const [url = '', symbols = ''] = process.argv.slice(2)

// A process forked by costly-clients.ts: it asks for exports that it does not read and for heavy statistics, again and again until
// it is told to stop, and then says how many answers had which status.
const statuses: Record<string, number> = {}
const statistics = `${url}/api/statistics?symbols=${symbols}&start_date=0001-01-01&end_date=9999-12-31&fields=all`

async function ask(what: string, address: string): Promise<IncomingMessage> {
  const request = get(address, { agent: false, localAddress: ADDRESS })
  const answer = await new Promise<IncomingMessage>((resolve, reject) =>
    request.once('response', resolve).once('error', reject),
  )
  const name = `${what} ${answer.statusCode}`
  statuses[name] = (statuses[name] ?? 0) + 1
  return answer
}

async function repeat(work: () => Promise<void>): Promise<never> {
  for (;;) {
    await work().catch(() => {})
    await sleep(AGAIN_MS)
  }
}

async function leaveUnread(): Promise<void> {
  const answer = await ask('export', `${url}/api/financial_data?format=csv`)
  // A socket that is not read notices a reset only when it is written to.
  const { socket } = answer
  answer.on('error', () => {})
  if (answer.statusCode !== 200) await text(answer)
  else {
    const timer = setInterval(() => socket.write('\r\n'), AGAIN_MS)
    await once(socket, 'close').finally(() => clearInterval(timer))
  }
}

async function addUp(): Promise<void> {
  await text(await ask('statistics', statistics))
}

const work = [
  ...Array.from({ length: UNREAD_EXPORTS }, () => repeat(leaveUnread)),
  ...Array.from({ length: STATISTICS }, () => repeat(addUp)),
]
process.once('message', () => {
  process.send?.(statuses, () => process.exit(0))
})
process.send?.('open')
await Promise.all(work)
