import { MAX_SYMBOL_LENGTH, normaliseSymbol, SYMBOL_CHARACTERS, SYMBOL_TAKES } from '@stockpile/domain/symbol'
import * as z from 'zod'

/** A pattern of one character of a symbol as a client may write it, in small letters too. */
const CHARACTER = SYMBOL_CHARACTERS.source.slice(1, -2).replace('A-Z', 'A-Za-z')
const stop = { abort: true, error: SYMBOL_TAKES }

export const symbolSchema = z
  .string({ error: SYMBOL_TAKES })
  .overwrite(normaliseSymbol)
  .min(1, stop)
  .max(MAX_SYMBOL_LENGTH, stop)
  .regex(SYMBOL_CHARACTERS, stop)
  .meta({
    description: 'A symbol as Alpha Vantage writes it. It is trimmed and upper-cased.',
    // OpenAPI's pattern is of the text before it is trimmed and upper-cased. Spaces alone are no symbol.
    pattern: `^ *${CHARACTER.replace(' ', '')}${CHARACTER}*$`,
    examples: ['IBM'],
  })

const MAX_SYMBOLS = 100
const SYMBOLS_MESSAGE = `symbols is one list of 1 to ${MAX_SYMBOLS} symbols, separated by commas.`

/** The query parameter that takes the place of `symbol`. */
export const symbolsSchema = z
  .preprocess(
    // A parameter that is given twice comes as a list, which is refused.
    (value) => (typeof value === 'string' ? value.split(',', MAX_SYMBOLS + 1) : null),
    z.array(symbolSchema, SYMBOLS_MESSAGE).max(MAX_SYMBOLS, SYMBOLS_MESSAGE),
  )
  .meta({
    type: 'string',
    items: undefined,
    maxItems: undefined,
    description: `Instead of symbol: up to ${MAX_SYMBOLS}, separated by commas.`,
    examples: ['IBM,AAPL'],
  })
