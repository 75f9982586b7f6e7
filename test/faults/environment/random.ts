/** Random choices that a seed determines: with one seed moments, symbols and victims are always the same. */
export interface Random {
  /** Returns a whole number, both ends included. */
  between: (least: number, most: number) => number
  pick: <T>(choices: readonly T[]) => T
  shuffled: <T>(list: readonly T[]) => T[]
}

/** Generates numbers by Mulberry32. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const between = (least: number, most: number) => least + Math.floor(next() * (most - least + 1))
  return {
    between,
    pick(choices) {
      const chosen = choices[between(0, choices.length - 1)]
      if (chosen === undefined) throw new RangeError('There is nothing to choose from')
      return chosen
    },
    shuffled: (list) =>
      list
        .map((value) => ({ value, order: next() }))
        .toSorted((a, b) => a.order - b.order)
        .map(({ value }) => value),
  }
}
