const FIRST_MS = 5_000
const LONGEST_MS = 5 * 60_000

/**
 * How long to start nothing while the provider cannot be reached: 5 s, doubled at each further failure, up to 5 min.
 * Without it an outage of the network, which no limit slows down, would spend the attempts of a whole backlog.
 */
export class Brake {
  #failures = 0

  /** @returns milliseconds */
  failed(): number {
    this.#failures += 1
    return Math.min(FIRST_MS * 2 ** (this.#failures - 1), LONGEST_MS)
  }

  reached(): void {
    this.#failures = 0
  }
}
