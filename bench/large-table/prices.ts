const SEED = 20_060_102
/** A Monday; 5,000 weekdays end on 2025-02-28. */
const FIRST_DAY = Date.UTC(2006, 0, 2)
const DAY_MS = 86_400_000

/** The rough weights with which US tickers begin with each letter from A to Z, and have 1 to 5 letters. */
const FIRST_LETTERS = [
  90, 65, 90, 40, 50, 55, 50, 42, 50, 15, 25, 45, 60, 55, 35, 65, 10, 40, 85, 60, 25, 35, 30, 12, 7, 10,
]
const LENGTHS = [5, 40, 380, 500, 75]

/** How many symbols the largest table has. A smaller table takes symbols that are spread evenly over these. */
const MOST_SYMBOLS = 5_000

/** Makes distinct symbols like those of US exchanges, sorted; at most 5,000. */
export function tickersOf(count: number): string[] {
  const random = generator(SEED)
  const found = new Set<string>()
  while (found.size < MOST_SYMBOLS) {
    let symbol = String.fromCodePoint(65 + pick(FIRST_LETTERS, random))
    for (let more = pick(LENGTHS, random); more > 0; more -= 1)
      symbol += String.fromCodePoint(65 + Math.floor(26 * random()))
    found.add(symbol)
  }
  const sorted = [...found].toSorted()
  return Array.from(
    { length: count },
    (_, index) => sorted[Math.floor(((index + 0.5) * MOST_SYMBOLS) / count)] ?? '',
  )
}

/** The first `count` trading days as ISO dates: every weekday. */
export function tradingDays(count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const day = FIRST_DAY + (Math.floor(index / 5) * 7 + (index % 5)) * DAY_MS
    return new Date(day).toISOString().slice(0, 10)
  })
}

/**
 * Returns a function whose every call writes the next day's bars of all symbols, in COPY's text format. A symbol's prices
 * depend only on its name, so that a smaller table has a part of a larger table's rows.
 */
export function startPrices(symbols: readonly string[]): (date: string) => string {
  const walks = symbols.map((symbol) => {
    const random = generator(Buffer.from(symbol).reduce((hash, byte) => hash * 31 + byte, SEED))
    const usual = Math.exp(2 + 4 * random())
    return { symbol, random, usual, close: usual, shares: Math.exp(10 + 6 * random()) }
  })
  return (date) => {
    let lines = ''
    for (const walk of walks) {
      const { symbol, random, usual, close: before, shares } = walk
      const open = before * (0.995 + 0.01 * random())
      // About a year brings a price back to its usual level: after twenty years it is neither nothing nor billions.
      walk.close = open * (0.98 + 0.04 * random()) * (usual / before) ** 0.004
      const high = Math.max(open, walk.close) * (1 + 0.01 * random())
      const low = Math.min(open, walk.close) * (1 - 0.01 * random())
      const volume = Math.round(shares * (0.5 + random()))
      lines += `${symbol}\t${date}\t${open.toFixed(4)}\t${high.toFixed(4)}\t${low.toFixed(4)}\t${walk.close.toFixed(4)}\t${volume}\n`
    }
    return lines
  }
}

/** Mulberry32: numbers from 0 to 1, which depend only on the seed. */
export function generator(seed: number): () => number {
  let state = Math.trunc(seed)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

function pick(weights: readonly number[], random: () => number): number {
  let left = random() * weights.reduce((sum, weight) => sum + weight, 0)
  return weights.findIndex((weight) => (left -= weight) < 0)
}
