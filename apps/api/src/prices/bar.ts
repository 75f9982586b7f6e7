import type { FinancialDataRow } from '@stockpile/db/financial-data-query'
import * as z from 'zod'

const price = z.string().meta({
  description: 'Exactly as the provider wrote it, decimals kept; raw, not adjusted for splits.',
  pattern: '^\\d+(\\.\\d+)?$',
  examples: ['242.1200'],
})

/** A day's values. */
export const barSchema = z
  .object({
    open_price: price,
    high_price: price,
    low_price: price,
    close_price: price,
    volume: z.string().meta({
      description: 'Shares, exactly as the provider wrote it: it counts fractional shares since 2026.',
      pattern: '^\\d+(\\.\\d+)?$',
      examples: ['4228653'],
    }),
  })
  .meta({ id: 'BarValues' })

export function barAnswer(bar: Omit<FinancialDataRow, 'symbol' | 'date'>): z.infer<typeof barSchema> {
  return {
    open_price: bar.openPrice,
    high_price: bar.highPrice,
    low_price: bar.lowPrice,
    close_price: bar.closePrice,
    volume: bar.volume,
  }
}
