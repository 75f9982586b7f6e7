import * as z from 'zod'

/** All that Alpha Vantage's listing has (`BC/PB`, `NYCB- PR-U`, `NXT(EXP20091224)`) and what other exchanges add. */
const SYMBOL = /^[A-Z0-9 .:/^&()=+*$#@!_~-]+$/
const MESSAGE = 'A symbol is 1 to 32 letters, digits, inner spaces and . : / ^ & ( ) = + * $ # @ ! _ ~ -'

/** As stored: spaces around it removed, in upper case. Only ASCII is touched: others must fail, not change. */
function normaliseSymbol(text: string): string {
  return text.replaceAll(/^ +| +$/g, '').replaceAll(/[a-z]/g, (letter) => letter.toUpperCase())
}

const stop = { abort: true, error: MESSAGE }

export const symbolSchema = z
  .string({ error: MESSAGE })
  .overwrite(normaliseSymbol)
  .min(1, stop)
  .max(32, stop)
  .regex(SYMBOL, stop)
  .meta({
    description: 'A symbol as Alpha Vantage writes it. It is trimmed and upper-cased.',
    // For OpenAPI: what may be sent.
    pattern: SYMBOL.source.replace('A-Z', 'A-Za-z'),
    examples: ['IBM'],
  })
