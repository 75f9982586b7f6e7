import { isStatisticName, STATISTIC_NAMES } from '@stockpile/db/statistics'
import * as z from 'zod'

const ROUNDED =
  'A JSON number, rounded half up to 4 decimals, or where it is below 1 to 6 significant digits;'
const PRICE = `${ROUNDED} null when there are no days.`
const STORED_PRICE = 'A stored price, with the decimals that the provider wrote; null when there are no days.'
const date = z.string().meta({ format: 'date' })
const averagePrice = z
  .number()
  .nullable()
  .optional()
  .meta({ description: PRICE, examples: [241.4457] })
const storedPrice = z
  .string()
  .nullable()
  .optional()
  .meta({ description: STORED_PRICE, examples: ['242.1200'] })

/** The statistics of one symbol in one range or period. Those that `fields` leaves out are absent. */
export const statisticsSchema = z
  .object({
    start_date: date.meta({ description: 'Of the range; with group_by, of what of the period lies in it.' }),
    end_date: date.meta({ description: 'The same.' }),
    symbol: z.string(),
    period: z
      .string()
      .optional()
      .meta({ description: 'With group_by only: 2023-01, 2023-Q1 or 2023.', examples: ['2023-Q1'] }),
    average_daily_open_price: averagePrice,
    average_daily_close_price: averagePrice,
    average_daily_volume: z
      .number()
      .nullable()
      .optional()
      .meta({
        description:
          'A JSON number, rounded half up to an integer; exact up to 2^53 (9,007,199,254,740,992). Of volumes of which one was written with a fraction: rounded as prices are. null when there are no days.',
        examples: [6_358_311],
      }),
    number_of_days: z
      .int()
      .optional()
      .meta({ description: 'Stored days; 0 when there are none.', examples: [21] }),
    first_date: date
      .nullable()
      .optional()
      .meta({ description: 'The first stored day; null when there are none.', examples: ['2026-04-01'] }),
    last_date: date
      .nullable()
      .optional()
      .meta({ description: 'The last stored day; null when there are none.', examples: ['2026-04-30'] }),
    first_open_price: storedPrice,
    last_close_price: storedPrice,
    lowest_low_price: storedPrice,
    highest_high_price: storedPrice,
    total_volume: z
      .string()
      .optional()
      .meta({
        description:
          'Decimal digits, exact, with a fraction where a volume was written with one; "0" when there are no days.',
        examples: ['133524531'],
      }),
    close_price_standard_deviation: z
      .number()
      .nullable()
      .optional()
      .meta({
        description: `Of a sample (n − 1). ${ROUNDED} null when there are fewer than two days.`,
        examples: [4.1027],
      }),
    volume_weighted_average_price: z
      .number()
      .nullable()
      .optional()
      .meta({
        description: `Σ close × volume ÷ Σ volume. ${ROUNDED} null when nothing was traded or there are no days.`,
        examples: [241.3078],
      }),
  })
  .meta({ id: 'Statistics' })

const FIELDS_MESSAGE = `fields is all, or one list of names, separated by commas, each once: ${STATISTIC_NAMES.join(', ')}.`

/** Parses the parameter `fields` into names of statistics, in the order of the answer. */
export const statisticFieldsSchema = z
  .string(FIELDS_MESSAGE)
  .transform((text) => (text === 'all' ? STATISTIC_NAMES : text.split(',')))
  .refine(
    (names) => new Set(names).size === names.length && names.every((name) => isStatisticName(name)),
    FIELDS_MESSAGE,
  )
  .transform((names) =>
    names === STATISTIC_NAMES ? STATISTIC_NAMES : STATISTIC_NAMES.filter((name) => names.includes(name)),
  )
  .meta({
    type: 'string',
    description: `Which statistics: all, or some of ${STATISTIC_NAMES.join(', ')}, separated by commas. Without it the three averages.`,
    examples: ['number_of_days,volume_weighted_average_price'],
  })
