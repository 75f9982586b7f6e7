import { expect, test } from 'vitest'
import { parseConfig } from '../src/settings/config.js'
import {
  addressLines,
  goingOnText,
  leftText,
  partsLines,
  simulatedBanner,
  storedText,
} from '../src/messages.js'
import type { Line } from '../src/terminal/paint.js'
import { createTerminal } from '../src/terminal/terminal.js'

const config = parseConfig({ PORT: '65535' }, process.cwd())
const databaseUrl = 'postgres://stockpile:SECRET@127.0.0.1:65535/stockpile_simulated'
const EXAMPLE = { symbol: 'BRK.B', rows: 100, firstDate: '2026-07-02', lastDate: '2026-11-26' }
const OPTIONS = {
  config,
  databaseUrl,
  example: EXAMPLE,
  passwordFile: `${config.home}/postgres/password`,
  isNewPort: true,
  windows: false,
}

function printed(lines: Line[], columns?: number): string[] {
  let text = ''
  const output = { write: (more: string) => (text += more), ...(columns === undefined ? {} : { columns }) }
  createTerminal(output, { live: false, colours: false }).print(...lines)
  return text.trimEnd().split('\n')
}

test('No line of the start is broken or wider than a terminal of 80 columns, commands and addresses included', () => {
  const lines = [
    ...simulatedBanner(databaseUrl),
    ...partsLines(config, { databaseUrl, embedded: true }),
    ...addressLines('http://127.0.0.1:65535', OPTIONS),
  ]
  expect(printed(lines, 80)).toEqual(printed(lines))
  for (const line of printed(lines)) expect([line, line.length < 80]).toEqual([line, true])
})

test('A command of two lines is one for the shell, without a password in it', () => {
  const lines = printed(addressLines('http://127.0.0.1:8081', OPTIONS))
  const from = (label: string) => lines.slice(lines.findIndex((line) => line.startsWith(`  ${label} `)))
  expect(from('statistics').slice(0, 2)).toEqual([
    String.raw`  statistics  curl -G http://127.0.0.1:8081/api/statistics \ `.trimEnd(),
    '              -d symbol=BRK.B -d start_date=2026-10-27 -d end_date=2026-11-26',
  ])
  expect(from('fetch more').slice(0, 2)).toEqual([
    String.raw`  fetch more  curl http://127.0.0.1:8081/api/ingest \ `.trimEnd(),
    `              -H content-type:application/json -d '{"symbols":["MSFT"]}'`,
  ])
  expect(from('SQL').slice(0, 3)).toEqual([
    String.raw`  SQL         PGPASSWORD=$(cat .stockpile/postgres/password) \ `.trimEnd(),
    '              psql -h 127.0.0.1 -p 65535 -U stockpile stockpile_simulated',
    '              (that port is kept while it is free; POSTGRES_PORT sets it)',
  ])
  expect(lines.join('\n')).not.toContain('SECRET')
})

test('How to set the port is said when it is another than last time, and not else', () => {
  const lines = addressLines('http://127.0.0.1:8081', { ...OPTIONS, isNewPort: false })
  expect(printed(lines).join('\n')).not.toContain('POSTGRES_PORT')
})

test('On Windows, whose shells join lines in other ways, a command is one line', () => {
  const lines = printed(addressLines('http://127.0.0.1:8081', { ...OPTIONS, windows: true }))
  expect(lines.filter((line) => line.endsWith('\\'))).toEqual([])
  expect(lines).toContainEqual(expect.stringMatching(/fetch more {2}curl .+ -d '/))
})

test('A symbol that a shell would take apart is encoded and quoted', () => {
  const example = { ...EXAMPLE, symbol: "A&B'" }
  const lines = printed(addressLines('http://127.0.0.1:8081', { ...OPTIONS, example }))
  expect(lines.join('\n')).toContain(String.raw`-d 'symbol=A%26B'\'''`)
})

test('What is stored is told by its size, and by the symbols that were fetched last', () => {
  const newest = [
    { symbol: 'MSFT', rows: 1 },
    { symbol: 'IBM', rows: 100 },
  ]
  expect(storedText({ symbols: 0, rows: 0, newest: [] })).toBeUndefined()
  expect(storedText({ symbols: 2, rows: 101, newest })).toBe(
    'already here: 2 symbols, 101 rows; newest first: MSFT 1 row, IBM 100 rows',
  )
  expect(storedText({ symbols: 5_002, rows: 25_000_101, newest })).toBe(
    'already here: 5,002 symbols, 25,000,101 rows; newest first: MSFT 1 row, IBM 100 rows, 5,000 more',
  )
})

test.each([
  [{ runs: 0, items: 0 }, undefined, undefined],
  [
    { runs: 1, items: 1 },
    '1 run goes on from the last start, with 1 symbol to fetch',
    '1 run is unfinished; it goes on at the next npm start.',
  ],
  [
    { runs: 2, items: 1_035 },
    '2 runs go on from the last start, with 1,035 symbols to fetch',
    '2 runs are unfinished; they go on at the next npm start.',
  ],
])('What is unfinished, %j, is told at the start and at the end', (unfinished, start, end) => {
  expect([goingOnText(unfinished), leftText(unfinished)]).toEqual([start, end])
})
