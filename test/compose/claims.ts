/** Prints each claim with what its check found, and counts. */
export function createClaims() {
  let held = 0
  const failed: string[] = []
  return {
    /**
     * Checks one claim; further claims are checked even when it fails.
     * @param check resolves with the figures that show the claim, or rejects
     */
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
    /** Prints how many claims hold, and returns whether all do. */
    summary: (): boolean => {
      console.log(`${held} of ${held + failed.length} claims hold`)
      return failed.length === 0
    },
  }
}

export type Claims = ReturnType<typeof createClaims>

/** Makes the check of a claim fail when the condition does not hold. */
export function assert(condition: boolean, why: string): asserts condition {
  if (!condition) throw new Error(why)
}
