import * as fc from 'fast-check'
import type { Schema } from './document.js'

/** Symbols and runs that are stored, so that valid requests find something. */
export interface Known {
  symbols: string[]
  runIds: string[]
}

const DAY_MS = 86_400_000
const FIRST_DAY = Date.UTC(2020, 0, 1)
const DAYS = 3_000

const isoDay = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.nat(DAYS).map((day) => new Date(FIRST_DAY + day * DAY_MS).toISOString().slice(0, 10)),
  },
  { weight: 1, arbitrary: fc.constantFrom('0001-01-01', '9999-12-31', '2024-02-29') },
)
const instant = fc
  .tuple(isoDay, fc.constantFrom('T00:00:00Z', 'T23:59:59.999Z', 'T12:30:00-05:00'))
  .map(([day, time]) => day + time)

/** Generates values that a schema of the document takes. */
export function validValue(schema: Schema, known: Known, name = ''): fc.Arbitrary<unknown> {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  switch (String(schema.type)) {
    case 'integer':
    case 'number':
      return integer(schema)
    case 'boolean':
      return fc.boolean()
    case 'array':
      return fc.array(validValue(schema.items ?? {}, known, name), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 4, 4),
      })
    case 'object': {
      const properties = Object.entries(schema.properties ?? {})
      const values = properties.map(([key, one]) => [key, validValue(one, known, key)] as const)
      return fc.record(Object.fromEntries(values), { requiredKeys: schema.required ?? [] })
    }
    case 'string':
      return text(schema, known, name)
    default:
      return fc.jsonValue({ maxDepth: 2 })
  }
}

function integer({ minimum = 0, maximum = 1_000_000 }: Schema): fc.Arbitrary<number> {
  // Most clients ask for the first pages and a few rows; the whole range comes too.
  const few = fc.integer({ min: minimum, max: Math.min(maximum, minimum + 20) })
  return fc.oneof(
    { weight: 4, arbitrary: few },
    { weight: 1, arbitrary: fc.integer({ min: minimum, max: maximum }) },
  )
}

function text(schema: Schema, known: Known, name: string): fc.Arbitrary<string> {
  if (schema.format === 'date') return isoDay
  if (schema.format === 'date-time') return instant
  if (schema.format === 'uuid')
    return fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...known.runIds) },
      { weight: 1, arbitrary: fc.uuid() },
    )
  const examples = (schema.examples ?? []).map(String)
  // Where there is no pattern the document says no more of a text than its examples.
  if (schema.pattern === undefined)
    return examples.length > 0 ? fc.constantFrom(...examples) : fc.string({ minLength: 1, maxLength: 10 })
  const { minLength = 0, maxLength = Infinity } = schema
  const matching = fc
    .stringMatching(new RegExp(schema.pattern), { size: 'small' })
    .filter((value) => value.length >= minLength && value.length <= maxLength)
  const likely = /^symbols?$/.test(name) ? known.symbols : examples
  return likely.length === 0
    ? matching
    : fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...likely) }, { weight: 1, arbitrary: matching })
}

/** @returns texts of which each breaks one constraint of a parameter's schema; none where any text is good */
export function brokenTexts(schema: Schema): string[] {
  if (schema.enum !== undefined) return ['', 'zqcanary', `${schema.enum[0]}x`, `${schema.enum[0]},`]
  if (schema.type === 'integer') {
    const { minimum = 0, maximum = Number.MAX_SAFE_INTEGER } = schema
    const numbers = [
      String(minimum - 1),
      String(maximum + 1),
      '9'.repeat(20),
      '-1',
      '1.5',
      '+1',
      '01',
      '1e2',
      '0x10',
    ]
    return [...numbers, '', ' 5 ', 'Infinity', 'NaN', '1e400', 'null', '1\0', '٥', 'zqcanary']
  }
  if (schema.format === 'date')
    return [
      '',
      '2024-02-30',
      '2023-02-29',
      '0000-01-01',
      '10000-01-01',
      '2023-1-1',
      '20230101',
      '2023-01-01T00:00:00Z',
      'zqcanary',
    ]
  if (schema.format === 'date-time')
    return [
      '',
      '2023-01-01',
      '2023-01-01T00:00:00',
      '2023-02-30T00:00:00Z',
      '2023-01-01T25:00:00Z',
      '0000-01-01T00:00:00Z',
      'zqcanary',
    ]
  if (schema.format === 'uuid')
    return ['zqcanary', '5', `${'0'.repeat(8)}-zqcanary`, '01985fd0-7c1a-7b3e-9d52-3f2f8f1f6a1']
  if (schema.pattern === undefined) return []
  const pattern = new RegExp(schema.pattern)
  const texts = [
    '',
    ' ',
    '\0',
    'IBM\0',
    '\n',
    '<zqcanary>',
    "zqcanary' OR '1'='1",
    '"',
    '\\',
    '\u00DF',
    'IBM\u00A0',
    '\u{1F4A9}',
  ]
  if (schema.maxLength !== undefined) texts.push('A'.repeat(schema.maxLength + 1))
  return texts.filter((one) => !pattern.test(one) || one.length > (schema.maxLength ?? Infinity))
}

/** Generates values of types that the schema of a body's field does not take. */
export function brokenJson(schema: Schema): fc.Arbitrary<unknown> {
  const all = [null, true, 'zqcanary', 5, -0.5, 1e300, [], ['<zqcanary>'], { zqcanary: 1 }]
  const type = schema.enum === undefined ? schema.type : 'enum'
  return fc.constantFrom(
    ...all.filter((value) => {
      if (type === 'boolean') return typeof value !== 'boolean'
      if (type === 'array') return !Array.isArray(value) || value.length === 0 || value[0] === '<zqcanary>'
      return true
    }),
  )
}
