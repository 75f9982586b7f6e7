import { z } from 'zod'
import type { Query } from './query.js'
import { REFUSALS, variantsOf } from './refusals.js'

/** What can be wrong with a single row. */
export const DEFECTS = [
  'nan',
  'infinity',
  'negative',
  'zero_close',
  'high_below_low',
  'close_outside',
  'not_a_date',
  'impossible_date',
  'future_date',
  'before_1900',
  'weekend_date',
  'missing_field',
  'empty_value',
  'exponent',
  'volume_out_of_range',
  'volume_negative',
  'nul',
] as const
export type Defect = (typeof DEFECTS)[number]

const milliseconds = z.number().min(0)
const count = z.int().min(1)
const isoDate = z.iso.date()

const refusal = z
  .strictObject({ kind: z.literal('refusal'), refusal: z.enum(REFUSALS), variant: z.string().optional() })
  .refine((value) => value.variant === undefined || variantsOf(value.refusal).includes(value.variant), {
    path: ['variant'],
    error: (issue) => {
      const known = z.object({ refusal: z.enum(REFUSALS) }).safeParse(issue.input)
      return `this refusal's variants are ${known.success ? variantsOf(known.data.refusal).join(', ') : 'unknown'}`
    },
  })

/** Everything that a rule can make the simulator answer instead of the series. */
const answerSchema = z.discriminatedUnion('kind', [
  refusal,
  z.strictObject({
    kind: z.literal('status'),
    status: z.int().min(200).max(599),
    headers: z.record(z.string(), z.string()).default({}),
    body: z.string().default(''),
  }),
  // Any body with status 200, for answers that have no kind of their own.
  z.strictObject({
    kind: z.literal('raw'),
    body: z.string(),
    contentType: z.string().default('application/json'),
  }),
  z.strictObject({ kind: z.literal('html') }),
  // The usual JSON, complete for HTTP, but cut in the middle of a row.
  z.strictObject({ kind: z.literal('invalid_json') }),
  z.strictObject({ kind: z.literal('redirect'), location: z.string(), status: z.int().default(302) }),
  // The usual answer, late.
  z.strictObject({ kind: z.literal('delay'), ms: milliseconds }),
  // The usual answer, `bytes` at a time.
  z.strictObject({ kind: z.literal('drip'), bytes: count.default(1), everyMs: milliseconds.default(100) }),
  // The usual head and a part of the body, half by default; then the connection is destroyed.
  z.strictObject({ kind: z.literal('cut'), afterBytes: z.int().min(0).optional() }),
  // The connection is reset (RST) without an answer.
  z.strictObject({ kind: z.literal('reset') }),
  // A small body that inflates to `bytes` of spaces.
  z.strictObject({ kind: z.literal('gzip_bomb'), bytes: count }),
  // A body of `bytes` of spaces.
  z.strictObject({ kind: z.literal('huge_body'), bytes: count }),
  // The kinds below alter the usual series, except `empty_object`.
  z.strictObject({
    kind: z.literal('restated'),
    date: isoDate.optional(),
    rowsAgo: z.int().min(0).default(5),
    close: z.string().optional(),
  }),
  z.strictObject({ kind: z.literal('bad_row'), defect: z.enum(DEFECTS), row: z.int().min(0).default(1) }),
  // One row comes twice, the second time with another close unless `alike`.
  z.strictObject({
    kind: z.literal('repeated_date'),
    row: z.int().min(0).default(1),
    alike: z.boolean().default(false),
  }),
  // The newest rows have volumes with fractions, which are sound.
  z.strictObject({ kind: z.literal('fractional_volumes'), rows: z.int().min(1).default(5) }),
  z.strictObject({ kind: z.literal('other_symbol'), symbol: z.string().default('OTHER') }),
  z.strictObject({ kind: z.literal('empty_object') }),
  z.strictObject({
    // The open session is today's in New York, also on a weekend.
    kind: z.literal('open_session'),
    time: z
      .string()
      .regex(/^\d{2}:\d{2}:\d{2}$/)
      .default('11:32:07'),
  }),
])
export type Answer = z.output<typeof answerSchema>

/**
 * A rule says which requests get which answer. It counts the requests that match it and that no earlier rule answered, and
 * answers from the `nth` of them on (1 by default), `times` times (without end by default).
 */
const ruleSchema = z.strictObject({
  function: z.string().optional(),
  symbol: z.string().optional(),
  outputsize: z.enum(['compact', 'full']).optional(),
  nth: count.optional(),
  times: count.optional(),
  answer: answerSchema,
})
/** A rule as a person writes it: members with a default may be left out. */
export type Rule = z.input<typeof ruleSchema>

const rulesSchema = z.array(ruleSchema)

/**
 * Checks rules that came as JSON.
 * @throws Error whose message says what is wrong where
 */
export function parseRules(value: unknown): Rule[] {
  const parsed = rulesSchema.safeParse(value)
  if (!parsed.success) throw new Error(`The rules do not parse:\n${z.prettifyError(parsed.error)}`)
  return parsed.data
}

export interface RuleBook {
  add: (rule: Rule) => void
  clear: () => void
  /** The answer that a rule gives to a request, which is counted as a match; undefined when no rule answers. */
  answerTo: (query: Query) => Answer | undefined
}

/** Keeps rules in the order in which they were added: the first rule that applies answers. */
export function ruleBook(): RuleBook {
  let rules: { rule: z.output<typeof ruleSchema>; seen: number }[] = []
  return {
    add: (rule) => {
      rules.push({ rule: ruleSchema.parse(rule), seen: 0 })
    },
    clear: () => {
      rules = []
    },
    answerTo: (query) => {
      for (const entry of rules) {
        const { rule } = entry
        if (rule.function !== undefined && rule.function !== query.function) continue
        if (rule.symbol !== undefined && rule.symbol.toUpperCase() !== query.symbol) continue
        if (rule.outputsize !== undefined && rule.outputsize !== query.outputsize) continue
        entry.seen += 1
        const turn = entry.seen - (rule.nth ?? 1)
        if (turn >= 0 && turn < (rule.times ?? Infinity)) return rule.answer
      }
      return undefined
    },
  }
}
