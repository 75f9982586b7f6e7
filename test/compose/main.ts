import { assert, createClaims } from './claims.js'
import { checkDemo } from './demo.js'
import { checkImage } from './image.js'
import { checkInterruptions } from './interruptions.js'
import { checkPasswords } from './passwords.js'
import { checkReal } from './real.js'
import { createStack } from './stack.js'
import { checkWithoutRedis } from './without-redis.js'

// `pnpm compose [PART …]` brings docker-compose.yml up as a project of its own, on the local Docker engine and the ports of the
// file, and shows what it promises. At the end it removes everything but the image.
const PARTS = {
  image: checkImage,
  demo: checkDemo,
  interruptions: checkInterruptions,
  real: checkReal,
  passwords: checkPasswords,
  'without-redis': checkWithoutRedis,
}
const wanted = process.argv.slice(2)
if (wanted.some((part) => !(part in PARTS))) {
  console.error(`usage: pnpm compose [${Object.keys(PARTS).join('] [')}]`)
  process.exit(2)
}

const claims = createClaims()
const stack = await createStack()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void stack.dispose().finally(() => process.exit(1)))
}
try {
  for (const [part, check] of Object.entries(PARTS)) {
    if (wanted.length === 0 || wanted.includes(part)) await check(stack, claims)
  }
} finally {
  await stack.dispose()
}
await claims.claim('nothing is left behind', async () => {
  const left = await stack.left()
  assert(left.length === 0, left.join(', '))
  return 'no container, volume or network'
})
process.exitCode = claims.summary() ? 0 : 1
