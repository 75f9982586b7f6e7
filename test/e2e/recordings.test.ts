import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { useDatabase } from '@stockpile/test-harness/database'
import { expect, onTestFinished, test } from 'vitest'
import { compareRecordings } from '../recordings/compare.js'

const database = useDatabase()

test('what the API serves is what the provider wrote, digit by digit, from JSON and from CSV', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'stockpile-recordings-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const series = {
    '2024-01-03': {
      '1. open': '160.0000',
      '2. high': '161.7300',
      '3. low': '160.0800',
      '4. close': '160.1000',
      '5. volume': '4086065',
    },
    '2024-01-02': {
      '1. open': '0.0100',
      '2. high': '999999.9999',
      '3. low': '0.0100',
      '4. close': '0.1',
      '5. volume': '9223372036854775807',
    },
  }
  series['2024-01-03']['3. low'] = '159.9990'
  const meta = {
    '1. Information': 'Daily Prices',
    '2. Symbol': 'ONE',
    '3. Last Refreshed': '2024-01-03',
    '4. Output Size': 'Compact',
    '5. Time Zone': 'US/Eastern',
  }
  await writeFile(
    join(folder, 'daily_compact_ONE_2024-01-03.json'),
    JSON.stringify({ 'Meta Data': meta, 'Time Series (Daily)': series }),
  )
  await writeFile(
    join(folder, 'daily_compact_TWO_2024-01-03.csv'),
    'timestamp,open,high,low,close,volume\r\n2024-01-03,1.5000,2.2500,1.0000,2.0000,0\r\n',
  )
  const comparisons = await compareRecordings(folder, database.url)
  expect(comparisons).toMatchObject([
    { symbol: 'ONE', rows: 2, differences: [], unchanged: 2, rewritten: 0 },
    { symbol: 'TWO', rows: 1, differences: [], unchanged: 1, rewritten: 0 },
  ])
})
