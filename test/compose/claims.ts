/** Prints each claim with what was found, and keeps count. */
export function createClaims() {
  let held = 0
  const failed: string[] = []
  return {
    /** @param check resolves with the figures that show it, or rejects; the claims after it are still looked at */
    claim: async (sentence: string, check: () => Promise<string>): Promise<void> => {
      const begin = performance.now()
      const seconds = () => `${((performance.now() - begin) / 1_000).toFixed(0)} s`
      try {
        console.log(`✓ ${sentence}: ${await check()} (${seconds()})`)
        held += 1
      } catch (error) {
        failed.push(sentence)
        console.log(`✗ ${sentence} (${seconds()})`)
        console.log(`  ${(error instanceof Error ? error.message : String(error)).replaceAll('\n', '\n  ')}`)
      }
    },
    /** @returns whether all held */
    summary: (): boolean => {
      console.log(`${held} of ${held + failed.length} claims hold`)
      return failed.length === 0
    },
  }
}

export type Claims = ReturnType<typeof createClaims>

/** Fails a claim. */
export function assert(condition: boolean, why: string): asserts condition {
  if (!condition) throw new Error(why)
}
