import { newYorkTime } from '../../exchanges/calendar.js'
import type { SeriesFunction } from './functions.js'
import type { Row, Series } from './series.js'
import type { Answer, Defect } from '../rules.js'

const DAY_MS = 86_400_000
const FUTURE_DAYS = 30

export type Tampering = Extract<
  Answer,
  { kind: 'restated' | 'bad_row' | 'repeated_date' | 'fractional_volumes' | 'other_symbol' | 'open_session' }
>

/** Reads and changes the values of a row by the names of columns, so that raw and adjusted series are altered alike. */
function editor(fn: SeriesFunction, row: Row) {
  const indexOf = (column: string) => fn.columns.indexOf(column) + 1
  return {
    get: (column: string): string => row[indexOf(column)] ?? '',
    with: (changes: Record<string, string | undefined>): Row => {
      const [date, ...values] = row
      for (const [column, value] of Object.entries(changes)) values[indexOf(column) - 1] = value
      return [date, ...values]
    },
  }
}

type Damage = (row: Row, edit: ReturnType<typeof editor>, now: Date) => Row

const DAMAGES: Record<Defect, Damage> = {
  nan: (_row, { with: change }) => change({ close: 'NaN' }),
  infinity: (_row, { with: change }) => change({ high: 'Infinity' }),
  negative: (_row, { with: change }) => change({ low: '-1.0000' }),
  zero_close: (_row, { with: change }) => change({ close: '0.0000' }),
  high_below_low: (_row, { get, with: change }) =>
    change({ high: get('low'), low: (Number(get('high')) + 1).toFixed(4) }),
  close_outside: (_row, { get, with: change }) => change({ close: (Number(get('high')) + 1).toFixed(4) }),
  not_a_date: ([, ...values]) => ['not-a-date', ...values],
  impossible_date: ([, ...values]) => ['2024-02-30', ...values],
  future_date: ([, ...values], _edit, now) => [
    new Date(now.getTime() + FUTURE_DAYS * DAY_MS).toISOString().slice(0, 10),
    ...values,
  ],
  before_1900: ([, ...values]) => ['1899-12-29', ...values],
  // The Sunday before the row's date is never in the future.
  weekend_date: ([date, ...values]) => [
    new Date(Date.parse(date) - new Date(date).getUTCDay() * DAY_MS).toISOString().slice(0, 10),
    ...values,
  ],
  missing_field: (_row, { with: change }) => change({ close: undefined }),
  empty_value: (_row, { with: change }) => change({ close: '' }),
  exponent: (_row, { with: change }) => change({ close: '1e400' }),
  volume_out_of_range: (_row, { with: change }) => change({ volume: '1'.padEnd(20, '0') }),
  volume_negative: (_row, { with: change }) => change({ volume: '-1' }),
  nul: (_row, { get, with: change }) => change({ close: `${get('close')}\u0000` }),
}

function fractional(fn: SeriesFunction, row: Row): Row {
  const { get, with: change } = editor(fn, row)
  return change({ volume: `${get('volume')}.562155` })
}

function restated(fn: SeriesFunction, row: Row, close: string | undefined): Row {
  const { get, with: change } = editor(fn, row)
  if (close === undefined) return change({ close: get('close') === get('low') ? get('high') : get('low') })
  return change({
    close,
    high: Number(close) > Number(get('high')) ? close : get('high'),
    low: Number(close) < Number(get('low')) ? close : get('low'),
  })
}

/** Turns a row into the bar of an open session: the open stays, the other values are not final yet. */
function unsettled(fn: SeriesFunction, row: Row): Row {
  const { get, with: change } = editor(fn, row)
  const volume = String(Math.floor(Number(get('volume')) / 3))
  return change({ high: get('open'), low: get('low'), close: get('low'), volume })
}

function dated([, ...values]: Row, date: string): Row {
  return [date, ...values]
}

function atRow(series: Series, index: number, replace: (row: Row) => Row[]): Series {
  return { ...series, rows: series.rows.flatMap((row, at) => (at === index ? replace(row) : [row])) }
}

/**
 * Alters a series in one way. Rows are counted from the newest, which is 0; for a row that the series does not have nothing is
 * altered. An open session is today's in New York, whatever the hour and the weekday.
 */
export function tamper(fn: SeriesFunction, series: Series, how: Tampering, now: Date): Series {
  switch (how.kind) {
    case 'restated': {
      const index =
        how.date === undefined ? how.rowsAgo : series.rows.findIndex(([date]) => date === how.date)
      return atRow(series, index, (row) => [restated(fn, row, how.close)])
    }
    case 'bad_row':
      return atRow(series, how.row, (row) => [DAMAGES[how.defect](row, editor(fn, row), now)])
    case 'repeated_date':
      return atRow(series, how.row, (row) => [row, how.alike ? row : restated(fn, row, undefined)])
    case 'fractional_volumes':
      return { ...series, rows: series.rows.map((row, at) => (at < how.rows ? fractional(fn, row) : row)) }
    case 'other_symbol':
      return { ...series, symbol: how.symbol }
    case 'open_session':
      break
  }
  const { date } = newYorkTime(now)
  const [newest = [date], ...older] = series.rows
  const rows = newest[0] === date ? [newest, ...older] : [dated(newest, date), ...series.rows.slice(0, -1)]
  return {
    ...atRow({ ...series, rows }, 0, (row) => [unsettled(fn, row)]),
    lastRefreshed: `${date} ${how.time}`,
  }
}
