import { assert, createClaims } from './claims.js'
import { checkDemo } from './demo.js'
import { checkImage } from './image.js'
import { checkInterruptions } from './interruptions.js'
import { checkReal } from './real.js'
import { createStack } from './stack.js'

/**
 * `pnpm compose`: brings docker-compose.yml up as a project of its own, on a Docker engine and the ports of the file,
 * and shows what it promises. Everything it made is removed at the end, but for the image.
 */
const claims = createClaims()
const stack = await createStack()
const cleanUp = async () => {
  await stack.dispose()
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(1)))
}
try {
  await checkImage(stack, claims)
  await checkDemo(stack, claims)
  await checkInterruptions(stack, claims)
  await checkReal(stack, claims)
} finally {
  await cleanUp()
}
await claims.claim('nothing is left behind', async () => {
  const left = await stack.left()
  assert(left.length === 0, left.join(', '))
  return 'no container, volume or network'
})
process.exitCode = claims.summary() ? 0 : 1
