import type { FetchedOutputsize } from '@stockpile/domain/run'

/** What a request asks for, as the provider reads it: values that it does not know become the default. */
export interface Query {
  function: string
  /** Upper case; the empty string when there was none. */
  symbol: string
  outputsize: FetchedOutputsize
  datatype: 'json' | 'csv'
  apikey: string
}

/** Reads the parameters of `/query`. Never fails: a missing parameter is an empty string. */
export function readQuery(parameters: URLSearchParams): Query {
  return {
    function: parameters.get('function') ?? '',
    symbol: (parameters.get('symbol') ?? '').toUpperCase(),
    outputsize: parameters.get('outputsize') === 'full' ? 'full' : 'compact',
    datatype: parameters.get('datatype') === 'csv' ? 'csv' : 'json',
    apikey: parameters.get('apikey') ?? '',
  }
}
