/**
 * Lets work run side by side, or alone. A job whose worker was lost is suspected of having killed it: it runs again
 * alone, so that nobody else is in danger, and nobody else is charged if it does so once more.
 */
export class Isolation {
  #running = new Set<Promise<unknown>>()
  #alone: Promise<unknown> = Promise.resolve()

  /** Waits for whoever is alone, or wants to be. */
  async beside<T>(work: () => Promise<T>): Promise<T> {
    let before
    do {
      before = this.#alone
      await before
    } while (before !== this.#alone)
    const running = work()
    const settled = running.catch(() => {})
    this.#running.add(settled)
    try {
      return await running
    } finally {
      this.#running.delete(settled)
    }
  }

  /** Waits for all that runs; whoever comes later waits for this. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#alone
    const running = before.then(() => Promise.all(this.#running)).then(work)
    this.#alone = running.catch(() => {})
    return running
  }
}
