// Symbols: which texts are symbols, and the form of a symbol that is stored.

/** The characters of symbols in Alpha Vantage's listing (`BC/PB`, `NYCB- PR-U`, `NXT(EXP20091224)`) and of other exchanges. */
export const SYMBOL_CHARACTERS = /^[A-Z0-9 .:/^&()=+*$#@!_~-]+$/
export const MAX_SYMBOL_LENGTH = 32
/** A sentence that tells people what a symbol may hold. */
export const SYMBOL_TAKES =
  'A symbol is 1 to 32 letters, digits, inner spaces and . : / ^ & ( ) = + * $ # @ ! _ ~ -'

/**
 * Returns the form of a symbol that is stored: in upper case, without spaces around it. Characters that are not ASCII stay as
 * they are, so that `isSymbol` refuses the text.
 */
export function normaliseSymbol(text: string): string {
  // Returns early, since nearly every text is normalised already.
  if (!/^ | $|[a-z]/.test(text)) return text
  return text.replaceAll(/^ +| +$/g, '').replaceAll(/[a-z]/g, (letter) => letter.toUpperCase())
}

/** Returns the symbols of a comma-separated list, normalised and each once, without empty entries. */
export function splitSymbols(list: string): string[] {
  return [...new Set(list.split(',').map(normaliseSymbol))].filter((symbol) => symbol !== '')
}

/** Tells whether a normalised text is a symbol. */
export function isSymbol(text: string): boolean {
  return text.length <= MAX_SYMBOL_LENGTH && SYMBOL_CHARACTERS.test(text)
}
