import { beforeAll, expect, test } from 'vitest'
import { store, useApp } from '../app.js'

const context = useApp({ shared: true })

/** Made up. The first and the last day of each symbol lie outside of the range that the tests ask for. */
const IBM = `
  2022-12-30 139.7800 140.6200 138.9100 140.2500 2104300
  2023-01-03 140.9000 141.7700 140.1500 141.3200 3218800
  2023-01-04 141.3500 142.9800 141.0200 142.6600 3540125
  2023-01-05 142.4400 142.7000 140.8800 141.1900 2987004
  2023-01-06 141.6000 143.2500 141.4100 142.9700 2765431
  2023-01-09 143.0000 144.1200 142.3600 142.5100 3102950
  2023-01-10 142.5500 143.4800 142.0900 143.3600 2451217
  2023-01-11 143.4000 144.7500 143.1800 144.6100 2890633
  2023-01-12 144.7000 145.0900 143.5200 143.9400 3015872
  2023-01-13 143.8600 145.3300 143.6700 145.1200 2679540
  2023-01-17 145.2500 145.9900 144.0400 144.3300 3377196
  2023-02-01 150.1000 151.2000 149.3000 150.8000 4000000`
const AAPL = `
  2022-11-10 140.1000 145.9000 139.8000 145.6000 98765432
  2022-11-11 145.7000 148.9500 144.9800 148.6100 87654321
  2022-11-14 148.2000 149.4400 146.8700 147.3500 69874512
  2022-11-15 150.6000 152.1300 147.9900 149.0800 85296374
  2022-11-16 148.5000 149.0000 146.9000 147.7000 61000000`

beforeAll(async () => {
  await store(context.db, 'IBM', bars(IBM))
  await store(context.db, 'AAPL', bars(AAPL))
})

test.each([
  [
    '/api/financial_data?start_date=2023-01-01&end_date=2023-01-14&symbol=IBM&limit=3&page=2',
    {
      data: [
        row('IBM', '2023-01-06', ['141.6000', '143.2500', '141.4100', '142.9700', '2765431']),
        row('IBM', '2023-01-09', ['143.0000', '144.1200', '142.3600', '142.5100', '3102950']),
        row('IBM', '2023-01-10', ['142.5500', '143.4800', '142.0900', '143.3600', '2451217']),
      ],
      pagination: { count: 9, page: 2, limit: 3, pages: 3 },
      info: { error: '' },
    },
  ],
  [
    '/statistics?start_date=2023-01-01&end_date=2023-01-31&symbol=IBM',
    {
      data: {
        start_date: '2023-01-01',
        end_date: '2023-01-31',
        symbol: 'IBM',
        average_daily_open_price: 142.905,
        average_daily_close_price: 143.201,
        average_daily_volume: 3002877,
      },
      info: { error: '' },
    },
  ],
  [
    '/financial_data?size=10&symbol=AAPL&start_date=2022-11-11&end_date=2022-11-15',
    {
      data: [
        row('AAPL', '2022-11-11', ['145.7000', '148.9500', '144.9800', '148.6100', '87654321']),
        row('AAPL', '2022-11-14', ['148.2000', '149.4400', '146.8700', '147.3500', '69874512']),
        row('AAPL', '2022-11-15', ['150.6000', '152.1300', '147.9900', '149.0800', '85296374']),
      ],
      pagination: { count: 3, page: 1, limit: 10, pages: 1 },
      info: { error: '' },
    },
  ],
])(
  "the assignment's sample is answered to the letter, with and without the prefix: %s",
  async (url, body) => {
    const path = url.replace(/^\/api/, '')
    for (const address of [`/api${path}`, path]) {
      const answer = await context.app.inject(address)
      expect(answer.statusCode).toBe(200)
      expect(answer.headers['content-type']).toBe('application/json; charset=utf-8')
      // The texts are compared, since the order of the fields is part of the contract.
      expect(answer.body).toBe(JSON.stringify(body))
    }
  },
)

function row(symbol: string, date: string, [open, high, low, close, volume]: string[]) {
  return {
    symbol,
    date,
    open_price: open,
    high_price: high,
    low_price: low,
    close_price: close,
    volume,
  }
}

/** Reads bars of which each line has one: date, open, high, low, close, volume. */
function bars(text: string) {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [date = '', open = '', high = '', low = '', close = '', volume = ''] = line.trim().split(' ')
      return { date, open, high, low, close, volume }
    })
}
