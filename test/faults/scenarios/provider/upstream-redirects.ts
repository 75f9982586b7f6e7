import { deepEqual, equal, ok } from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { BACKENDS } from '../../environment/backends.js'
import { API_KEY } from '../../environment/canary.js'
import { failedAttempts } from '../../steps/attempts.js'
import type { Scenario } from '../scenario.js'

export const upstreamRedirects: Scenario = {
  number: 28,
  title: 'a redirect elsewhere, or to a link-local address: refused, nothing is sent there',
  backends: BACKENDS,
  quick: true,
  async run({ http, simulator, sql, random, drained }) {
    let visits = 0
    const elsewhere = createServer((socket) => {
      visits += 1
      socket.destroy()
    }).listen(0, '127.0.0.1')
    await once(elsewhere, 'listening')
    try {
      const address = elsewhere.address()
      if (address === null || typeof address === 'string') throw new Error('The listener has no port')
      const query = `query?apikey=${encodeURIComponent(API_KEY)}`
      const targets = {
        ELSEWHERE: { location: `http://127.0.0.1:${address.port}/${query}`, status: 302 },
        FOREVER: { location: `http://127.0.0.1:${address.port}/${query}`, status: 308 },
        METADATA: { location: `http://169.254.169.254/${query}`, status: 307 },
        RELATIVE: { location: `//127.0.0.1:${address.port}/${query}`, status: 301 },
      }
      for (const [symbol, target] of Object.entries(targets))
        simulator.rule({ symbol, answer: { kind: 'redirect', ...target } })
      // Two at a time, and a sound answer in between: three failures in a row would count as an outage of the provider.
      const [first = '', second = '', ...others] = random.shuffled(Object.keys(targets))
      for (const [index, pair] of [[first, second], others].entries()) {
        await http.ingest([`SOUND${index}`])
        await drained()
        await http.ingest(pair)
        await drained()
      }
      for (const [symbol, { status }] of Object.entries(targets)) {
        const attempts = await failedAttempts(sql, symbol)
        deepEqual(
          attempts.map((one) => [one.final, one.class, one.httpStatus]),
          [false, true].map((final) => [final, 'redirect', status]),
        )
        // I5 checks that the key is not in the evidence.
        ok(attempts[0]?.evidence?.includes('/query?apikey='), `The evidence is ${attempts[0]?.evidence}`)
      }
      equal(visits, 0, "connections to the redirect's target")
    } finally {
      elsewhere.close()
    }
  },
}
