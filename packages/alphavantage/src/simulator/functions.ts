/** How the provider words one function's replies, and what the file name of its recordings starts with. */
export interface SeriesFunction {
  recordedAs: string
  information: string
  seriesKey: string
  /** As in the CSV header, without `timestamp`: a space or an underscore there is the provider's. */
  columns: readonly string[]
  /** Weekly and monthly series are always whole and name no output size. */
  hasOutputsize: boolean
}

const PRICES = ['open', 'high', 'low', 'close', 'volume'] as const
const ADJUSTED_PERIODS = [
  'open',
  'high',
  'low',
  'close',
  'adjusted close',
  'volume',
  'dividend amount',
] as const
const ADJUSTED_DAYS = [
  'open',
  'high',
  'low',
  'close',
  'adjusted_close',
  'volume',
  'dividend_amount',
  'split_coefficient',
] as const

export const DAILY: SeriesFunction = {
  recordedAs: 'daily',
  information: 'Daily Prices (open, high, low, close) and Volumes',
  seriesKey: 'Time Series (Daily)',
  columns: PRICES,
  hasOutputsize: true,
}

function period(name: 'Weekly' | 'Monthly'): SeriesFunction {
  return {
    recordedAs: name.toLowerCase(),
    information: `${name} Prices (open, high, low, close) and Volumes`,
    seriesKey: `${name} Time Series`,
    columns: PRICES,
    hasOutputsize: false,
  }
}

function adjustedPeriod(name: 'Weekly' | 'Monthly'): SeriesFunction {
  return {
    recordedAs: `${name.toLowerCase()}_adjusted`,
    information: `${name} Adjusted Prices and Volumes`,
    seriesKey: `${name} Adjusted Time Series`,
    columns: ADJUSTED_PERIODS,
    hasOutputsize: false,
  }
}

/** Every function that a recording can be replayed for; only TIME_SERIES_DAILY has synthetic data as well. */
export const SERIES_FUNCTIONS: ReadonlyMap<string, SeriesFunction> = new Map([
  ['TIME_SERIES_DAILY', DAILY],
  [
    'TIME_SERIES_DAILY_ADJUSTED',
    {
      recordedAs: 'daily_adjusted',
      information: 'Daily Time Series with Splits and Dividend Events',
      seriesKey: 'Time Series (Daily)',
      columns: ADJUSTED_DAYS,
      hasOutputsize: true,
    },
  ],
  ['TIME_SERIES_WEEKLY', period('Weekly')],
  ['TIME_SERIES_WEEKLY_ADJUSTED', adjustedPeriod('Weekly')],
  ['TIME_SERIES_MONTHLY', period('Monthly')],
  ['TIME_SERIES_MONTHLY_ADJUSTED', adjustedPeriod('Monthly')],
])
