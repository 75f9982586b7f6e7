import { noteSyntheticData } from '@stockpile/db/synthetic-data'
import { expect, test } from 'vitest'
import { january, store, useApp } from '../app.js'

const context = useApp()
const JSON_ANSWERS = [
  '/api/financial_data?symbol=IBM',
  '/api/statistics?symbol=IBM&start_date=2023-01-01&end_date=2023-01-31',
  '/api/symbols/IBM/revisions',
  '/api/quota',
  '/api/workers',
  '/api/ingest',
  '/readyz',
]

test('Made-up prices are said to be so in every answer, and others are not', async () => {
  await store(context.db, 'IBM', january())
  for (const url of JSON_ANSWERS)
    expect([url, (await context.app.inject(url)).json()]).toMatchObject([url, { info: { error: '' } }])
  for (const url of JSON_ANSWERS)
    expect((await context.app.inject(url)).json()).not.toHaveProperty('info.synthetic_data')

  await noteSyntheticData(context.db)
  await expect
    .poll(async () => (await context.app.inject('/readyz')).body, { timeout: 10_000 })
    .toContain('"synthetic_data":true')
  for (const url of JSON_ANSWERS)
    expect([url, (await context.app.inject(url)).json()]).toMatchObject([
      url,
      { info: { error: '', synthetic_data: true } },
    ])
  // The texts are compared, since the order of the fields is part of the contract.
  expect((await context.app.inject('/api/financial_data?symbol=IBM&limit=1')).body).toMatch(
    /^\{"data":\[.+\],"pagination":\{.+\},"info":\{"error":"","synthetic_data":true\}\}$/,
  )
})

test('Files of made-up prices say so in a header, whole or by pages, and a failure says nothing of it', async () => {
  await store(context.db, 'IBM', january())
  await noteSyntheticData(context.db)
  for (const query of ['format=csv', 'format=ndjson', 'format=csv&limit=2'])
    expect((await context.app.inject(`/api/financial_data?${query}`)).headers['x-synthetic-data']).toBe(
      'true',
    )
  expect((await context.app.inject('/api/financial_data?limit=x')).json()).toHaveProperty(
    'info.error',
    expect.stringContaining('limit'),
  )
  expect((await context.app.inject('/api/financial_data?limit=x')).json()).not.toHaveProperty(
    'info.synthetic_data',
  )
})
