/**
 * Lets work run side by side, or alone. A job whose worker was lost is suspected of having killed that worker. It runs
 * again alone, so that it endangers no other item, and no other item is charged when it kills the worker once more.
 */
export class Isolation {
  #running = new Set<Promise<unknown>>()
  #alone: Promise<unknown> = Promise.resolve()

  /** Runs work beside other work, after all work that runs alone or waits to run alone. */
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

  /** Runs work alone, after all running work. Work that comes later waits for it. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#alone
    const running = before.then(() => Promise.all(this.#running)).then(work)
    this.#alone = running.catch(() => {})
    return running
  }
}
