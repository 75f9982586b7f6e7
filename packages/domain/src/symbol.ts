/** Every character in Alpha Vantage's listing (`BC/PB`, `NYCB- PR-U`, `NXT(EXP20091224)`), and those of other exchanges. */
export const SYMBOL_CHARACTERS = /^[A-Z0-9 .:/^&()=+*$#@!_~-]+$/
export const MAX_SYMBOL_LENGTH = 32
export const SYMBOL_TAKES =
  'A symbol is 1 to 32 letters, digits, inner spaces and . : / ^ & ( ) = + * $ # @ ! _ ~ -'

/** The form that is stored: without spaces around it, in upper case. Other than ASCII is left as it is, to be refused. */
export function normaliseSymbol(text: string): string {
  // Nearly every text is normalised already.
  if (!/^ | $|[a-z]/.test(text)) return text
  return text.replaceAll(/^ +| +$/g, '').replaceAll(/[a-z]/g, (letter) => letter.toUpperCase())
}

/** The symbols of a comma-separated list, each once; empty entries are left out. */
export function splitSymbols(list: string): string[] {
  return [...new Set(list.split(',').map(normaliseSymbol))].filter((symbol) => symbol !== '')
}

/** Whether a normalised text is a symbol. */
export function isSymbol(text: string): boolean {
  return text.length <= MAX_SYMBOL_LENGTH && SYMBOL_CHARACTERS.test(text)
}
