import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Simulator, startSimulator } from '../../src/simulator/server.js'

/** The values are made up. Their digits must survive: trailing zeros, missing decimals, many decimals. */
const JSON_RECORDING = JSON.stringify(
  {
    'Meta Data': {
      '1. Information': 'Daily Prices (open, high, low, close) and Volumes',
      '2. Symbol': 'ACME',
      '3. Last Refreshed': '2026-04-08 16:00:01',
      '4. Output Size': 'Compact',
      '5. Time Zone': 'US/Eastern',
    },
    'Time Series (Daily)': {
      '2026-04-08': {
        '1. open': '10.1000',
        '2. high': '11.00',
        '3. low': '9.5',
        '4. close': '10',
        '5. volume': '3000000000',
      },
      '2026-04-07': {
        '1. open': '10.12345678901234567',
        '2. high': '11.0000',
        '3. low': '9.5000',
        '4. close': '10.0000',
        '5. volume': '0',
      },
    },
  },
  null,
  4,
)
const CSV_LINES = [
  'timestamp,open,high,low,close,volume',
  '2026-05-15,20.1000,21.00,19.5,20,6154450',
  '2026-05-14,20.1000,21.0000,19.5000,20.0000,5906199',
]
const ADJUSTED_LINES = [
  'timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient',
  '2026-05-15,218.2,220.91,217.615,219.3,219.3,6154450,0.0000,1.0',
]
const FULL_ROWS = Array.from({ length: 150 }, (_, index) => {
  const date = new Date(Date.UTC(2026, 0, 1) - index * 86_400_000).toISOString().slice(0, 10)
  return `${date},1.0000,1.0000,1.0000,1.0000,${index}`
})

let directory: string
let simulator: Simulator
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'recordings-'))
  const files: Record<string, string> = {
    'daily_compact_ACME_2026-04-08_note.json': JSON_RECORDING,
    'daily_compact_IBM_2026-05-17.csv': `${CSV_LINES.join('\n')}\n`,
    'daily_compact_IBM_2025-05-17.csv': 'timestamp,open,high,low,close,volume\n2025-05-15,1,1,1,1,1\n',
    'daily_adjusted_compact_IBM_2026-05-17.csv': `${ADJUSTED_LINES.join('\n')}\n`,
    'daily_full_BC%2FPB_2026-01-01.csv': `${[CSV_LINES[0], ...FULL_ROWS].join('\n')}\n`,
    'weekly_full_IBM_2026-05-17.csv': `${CSV_LINES.join('\n')}\n`,
    'listing_status_active_2026-05-17.csv': 'symbol,name\n',
    'SOURCES.md': '# no recording',
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text)
  simulator = await startSimulator({ replayDir: directory })
})
afterAll(async () => {
  await simulator.close()
  await rm(directory, { recursive: true })
})

async function ask(parameters: Record<string, string>): Promise<string> {
  const query = new URLSearchParams({ function: 'TIME_SERIES_DAILY', apikey: 'K', ...parameters })
  return (await fetch(`${simulator.url}/query?${query.toString()}`)).text()
}

describe('a replayed recording', () => {
  it('comes byte for byte in the datatype in which it was recorded, CSV with CRLF', async () => {
    expect(await ask({ symbol: 'ACME' })).toBe(JSON_RECORDING)
    expect(await ask({ symbol: 'IBM', datatype: 'csv' })).toBe(`${CSV_LINES.join('\r\n')}\r\n`)
  })

  it('is not said to be made up', async () => {
    const answer = await fetch(`${simulator.url}/query?function=TIME_SERIES_DAILY&symbol=ACME&apikey=K`)
    expect(answer.headers.get('x-synthetic-data')).toBeNull()
  })

  it('comes digit for digit in the other datatype', async () => {
    expect(await ask({ symbol: 'ACME', datatype: 'csv' })).toBe(
      [
        'timestamp,open,high,low,close,volume',
        '2026-04-08,10.1000,11.00,9.5,10,3000000000',
        '2026-04-07,10.12345678901234567,11.0000,9.5000,10.0000,0',
        '',
      ].join('\r\n'),
    )
    expect(JSON.parse(await ask({ symbol: 'IBM' }))).toEqual({
      'Meta Data': {
        '1. Information': 'Daily Prices (open, high, low, close) and Volumes',
        '2. Symbol': 'IBM',
        '3. Last Refreshed': '2026-05-15',
        '4. Output Size': 'Compact',
        '5. Time Zone': 'US/Eastern',
      },
      'Time Series (Daily)': {
        '2026-05-15': {
          '1. open': '20.1000',
          '2. high': '21.00',
          '3. low': '19.5',
          '4. close': '20',
          '5. volume': '6154450',
        },
        '2026-05-14': {
          '1. open': '20.1000',
          '2. high': '21.0000',
          '3. low': '19.5000',
          '4. close': '20.0000',
          '5. volume': '5906199',
        },
      },
    })
  })

  it('keeps the fields of an adjusted series by name', async () => {
    const text = await ask({ symbol: 'IBM', function: 'TIME_SERIES_DAILY_ADJUSTED' })
    expect(text).toContain('"5. adjusted close": "219.3"')
    expect(text).toContain('"6. volume": "6154450"')
    expect(text).toContain('"8. split coefficient": "1.0"')
  })

  it('names no output size in a weekly series', async () => {
    const text = await ask({ symbol: 'IBM', function: 'TIME_SERIES_WEEKLY' })
    expect(text).toContain('"4. Time Zone"')
    expect(text).toContain('"Weekly Time Series"')
  })

  it('of the other size is served when the size asked for was not recorded, a full one cut to 100 rows', async () => {
    expect(await ask({ symbol: 'ACME', outputsize: 'full' })).toBe(JSON_RECORDING)
    expect((await ask({ symbol: 'BC/PB', datatype: 'csv' })).trimEnd().split('\r\n')).toEqual([
      CSV_LINES[0],
      ...FULL_ROWS.slice(0, 100),
    ])
    expect((await ask({ symbol: 'BC/PB', datatype: 'csv', outputsize: 'full' })).split('\r\n')).toHaveLength(
      152,
    )
  })

  it('that does not exist is refused as an invalid symbol', async () => {
    expect(await ask({ symbol: 'AAPL' })).toContain('Invalid API call')
  })

  it('can be altered by a rule', async () => {
    simulator.rule({
      symbol: 'IBM',
      times: 1,
      answer: { kind: 'restated', date: '2026-05-14', close: '21.5000' },
    })
    expect(await ask({ symbol: 'IBM', datatype: 'csv' })).toContain(
      '2026-05-14,20.1000,21.5000,19.5000,21.5000,5906199',
    )
  })
})

describe('a folder of recordings', () => {
  it('without any is refused by name', async () => {
    const empty = await mkdtemp(join(tmpdir(), 'recordings-'))
    await expect(startSimulator({ replayDir: empty })).rejects.toThrow(`${empty} holds no recording`)
    await rm(empty, { recursive: true })
  })

  it('with one that cannot be read is refused with its name', async () => {
    const broken = await mkdtemp(join(tmpdir(), 'recordings-'))
    await writeFile(join(broken, 'daily_compact_IBM_2026-05-17.csv'), 'date,price\n')
    await expect(startSimulator({ replayDir: broken })).rejects.toThrow(
      'daily_compact_IBM_2026-05-17.csv cannot be read: its first line is not timestamp,open',
    )
    await rm(broken, { recursive: true })
  })
})
