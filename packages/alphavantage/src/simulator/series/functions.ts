/** How the provider words the replies of one function. */
export interface SeriesFunction {
  /** What the file names of its recordings start with. */
  recordedAs: string
  information: string
  seriesKey: string
  /** The columns of the CSV header without `timestamp`, with the provider's own spaces and underscores. */
  columns: readonly string[]
  /** Whether the function takes an outputsize: weekly and monthly series are always whole and name none. */
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
