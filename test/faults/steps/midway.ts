import type { Environment } from '../environment/environment.js'

/** Resolves in the middle of a run: when the upstream has had as many requests as the seed chooses, 1 to `most`. */
export async function midway({ random, simulator, until }: Environment, most: number): Promise<void> {
  const moment = random.between(1, most)
  await until(`${moment} requests`, () => simulator.arrivals().length >= moment)
}
