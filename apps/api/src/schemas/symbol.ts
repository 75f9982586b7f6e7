import { MAX_SYMBOL_LENGTH, normaliseSymbol, SYMBOL_CHARACTERS, SYMBOL_TAKES } from '@stockpile/db/symbol'
import * as z from 'zod'

/** One of them, as a client may write it. */
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
    // For OpenAPI: what may be sent. Spaces alone are no symbol.
    pattern: `^ *${CHARACTER.replace(' ', '')}${CHARACTER}*$`,
    examples: ['IBM'],
  })
