import { once } from 'node:events'
import { createServer } from 'node:http'
import { createClient } from './client.js'

const ROUNDS = 5
const BODY = JSON.stringify({
  'Meta Data': { '2. Symbol': 'WARM', '3. Last Refreshed': '2000-01-04', '5. Time Zone': 'US/Eastern' },
  'Time Series (Daily)': {
    '2000-01-04': {
      '1. open': '1.0',
      '2. high': '1.0',
      '3. low': '1.0',
      '4. close': '1.0',
      '5. volume': '1',
    },
    '2000-01-03': {
      '1. open': '1.0',
      '2. high': '1.0',
      '3. low': '1.0',
      '4. close': '1.0',
      '5. volume': '1',
    },
  },
})

/**
 * Sends some requests to a server of its own on the loopback. The first request of a process loads the parts of fetch and
 * leaves 60 to 170 ms late, which the first request of a quota must not. Nothing is asked of the provider.
 */
export async function warmUp(): Promise<void> {
  const server = createServer((_request, response) => response.setHeader('connection', 'close').end(BODY))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('the server listens on no port')
    const client = createClient({ baseUrl: `http://127.0.0.1:${address.port}`, apiKey: () => 'none' })
    for (let round = 0; round < ROUNDS; round += 1)
      await client.fetchDaily({ symbol: 'WARM', outputsize: 'compact' })
  } finally {
    server.close()
  }
}
