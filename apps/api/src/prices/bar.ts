import { byBarColumn } from '@stockpile/domain/bar'
import type { StoredBar } from '@stockpile/domain/bar'
import * as z from 'zod'

const PATTERN = '^\\d+(\\.\\d+)?$'
const valueSchemas = {
  price: z.string().meta({
    description: 'Exactly as the provider wrote it, decimals kept; raw, not adjusted for splits.',
    pattern: PATTERN,
    examples: ['242.1200'],
  }),
  volume: z.string().meta({
    description: 'Shares, exactly as the provider wrote it: it counts fractional shares since 2026.',
    pattern: PATTERN,
    examples: ['4228653'],
  }),
}

/** The values of a bar, without its symbol and date. */
export const barSchema = z.object(byBarColumn(({ kind }) => valueSchemas[kind])).meta({ id: 'BarValues' })

/** The bars that OpenAPI shows. */
export const EXAMPLE_BARS = [
  {
    symbol: 'IBM',
    date: '2026-04-01',
    open_price: '242.1200',
    high_price: '246.2618',
    low_price: '240.1400',
    close_price: '243.1400',
    volume: '4228653',
  },
  {
    symbol: 'IBM',
    date: '2026-04-02',
    open_price: '243.0000',
    high_price: '248.2103',
    low_price: '241.4850',
    close_price: '248.1600',
    volume: '3350858',
  },
  {
    symbol: 'IBM',
    date: '2026-04-06',
    open_price: '248.1400',
    high_price: '248.8999',
    low_price: '244.7400',
    close_price: '246.7400',
    volume: '3376019',
  },
] as const satisfies StoredBar[]
