/** All that Alpha Vantage's listing has (`BC/PB`, `NYCB- PR-U`, `NXT(EXP20091224)`) and what other exchanges add. */
export const SYMBOL_CHARACTERS = /^[A-Z0-9 .:/^&()=+*$#@!_~-]+$/
export const MAX_SYMBOL_LENGTH = 32
export const SYMBOL_TAKES =
  'A symbol is 1 to 32 letters, digits, inner spaces and . : / ^ & ( ) = + * $ # @ ! _ ~ -'

/** As stored: spaces around it removed, in upper case. Only ASCII is touched: others must fail, not change. */
export function normaliseSymbol(text: string): string {
  // As good as always.
  if (!/^ | $|[a-z]/.test(text)) return text
  return text.replaceAll(/^ +| +$/g, '').replaceAll(/[a-z]/g, (letter) => letter.toUpperCase())
}

/** The symbols of a comma-separated list, each once; what is empty is left out. */
export function splitSymbols(list: string): string[] {
  return [...new Set(list.split(',').map(normaliseSymbol))].filter((symbol) => symbol !== '')
}

/** Whether a normalised text is a symbol. */
export function isSymbol(text: string): boolean {
  return text.length <= MAX_SYMBOL_LENGTH && SYMBOL_CHARACTERS.test(text)
}
