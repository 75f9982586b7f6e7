// Made-up bodies in the form of Alpha Vantage's.

export type Fields = Record<string, unknown>

export const META_DATA = {
  '1. Information': 'Daily Prices (open, high, low, close) and Volumes',
  '2. Symbol': 'IBM',
  '3. Last Refreshed': '2026-05-15',
  '4. Output Size': 'Compact',
  '5. Time Zone': 'US/Eastern',
}

export const NOW = new Date('2026-05-17T12:00:00Z')

/** Makes a sound record, with some of its fields changed. */
export function record(changes: Fields = {}): Fields {
  return {
    '1. open': '100.0000',
    '2. high': '102.5000',
    '3. low': '99.0000',
    '4. close': '101.2500',
    '5. volume': '6154450',
    ...changes,
  }
}

/** Makes a body of records by date, with the provider's indent unless `indent` gives another. */
export function dailyBody(records: Fields, metaData: Fields = META_DATA, indent = 4): string {
  return JSON.stringify({ 'Meta Data': metaData, 'Time Series (Daily)': records }, null, indent)
}
