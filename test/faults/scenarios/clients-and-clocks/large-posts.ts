import { peakResidentBytes } from '../../../servers/memory.js'
import { BACKENDS } from '../../environment/backends.js'
import { symbols } from '../../environment/symbols.js'
import type { Scenario } from '../scenario.js'

const PEAK_LIMIT_BYTES = 400 * 1024 * 1024

export const largePosts: Scenario = {
  number: 32,
  title: 'POST of 10,000 symbols is accepted in bulk; of 10,001: 422; of more than 1 MiB: 413',
  backends: BACKENDS,
  async run({ http, programs, drained }) {
    const expectStatus = async (body: string, status: number) => {
      const answer = await http.request('/api/ingest', { method: 'POST', body })
      if (answer.status !== status)
        throw new Error(`Answered ${answer.status} instead of ${status}: ${answer.text}`)
    }
    await expectStatus(JSON.stringify({ symbols: symbols(10_001) }), 422)
    await expectStatus(JSON.stringify({ symbols: ['A'.repeat(1024 * 1024)] }), 413)
    const { id } = await http.ingest(symbols(10_000))
    const peak = await peakResidentBytes(programs.api?.pid ?? 0)
    if (peak > PEAK_LIMIT_BYTES) throw new Error(`The API held ${peak} bytes`)
    const cancelled = await http.request(`/api/ingest/${id}/cancel`, { method: 'POST' })
    if (cancelled.status !== 200) throw new Error(`Cancelling answered ${cancelled.status}`)
    await drained()
  },
}
