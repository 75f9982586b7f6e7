import type { Environment } from '../environment/environment.js'

/** Until a run is under way: until the upstream has been asked as often as the seed says, from once to `most` times. */
export async function midway({ random, simulator, until }: Environment, most: number): Promise<void> {
  const moment = random.between(1, most)
  await until(`${moment} requests`, () => simulator.arrivals().length >= moment)
}
