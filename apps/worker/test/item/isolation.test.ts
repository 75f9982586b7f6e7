import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Isolation } from '../../src/item/isolation.js'

describe('work that is isolated', () => {
  test('never runs beside anything else, and everything runs once, whatever the order and whatever fails', async () => {
    const works = fc.array(fc.record({ alone: fc.boolean(), ticks: fc.nat(4), fails: fc.boolean() }), {
      maxLength: 30,
    })
    await fc.assert(
      fc.asyncProperty(works, async (list) => {
        const isolation = new Isolation()
        let running = 0
        let lone = 0
        let ended = 0
        let disturbed = 0
        const results = list.map(async ({ alone, ticks, fails }) => {
          const work = async () => {
            running += 1
            if (alone) lone += 1
            for (let tick = 0; tick <= ticks; tick += 1) {
              await Promise.resolve()
              if (lone > 0 && running > 1) disturbed += 1
            }
            running -= 1
            if (alone) lone -= 1
            ended += 1
            if (fails) throw new Error('on purpose')
          }
          await (alone ? isolation.alone(work) : isolation.beside(work)).catch((error: unknown) => {
            if (!fails) throw error
          })
        })
        await Promise.all(results)
        expect({ ended, disturbed }).toEqual({ ended: list.length, disturbed: 0 })
      }),
    )
  })

  test('runs side by side where nothing asks to be alone', async () => {
    const isolation = new Isolation()
    let running = 0
    let most = 0
    const work = async () => {
      running += 1
      most = Math.max(most, running)
      await Promise.resolve()
      running -= 1
    }
    await Promise.all([isolation.beside(work), isolation.beside(work), isolation.beside(work)])
    expect(most).toBe(3)
  })
})
