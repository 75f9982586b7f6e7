import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Tests run the sources; what a test starts as a process of its own runs the build.
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  // The environment in which vitest runs globalSetup, which takes nothing from the two above.
  environments: { __vitest__: { resolve: { conditions: ['source'] } } },
  test: {
    include: [
      'apps/*/test/**/*.test.ts',
      'packages/*/test/**/*.test.ts',
      'test/compose/**/*.test.ts',
      'test/e2e/**/*.test.ts',
      'test/setup/**/*.test.ts',
      'test/upgrades/**/*.test.ts',
      'bench/**/*.test.ts',
    ],
    globalSetup: ['test/global-setup.ts'],
    // By default one less than there are cores: one file at a time on two. Most tests wait for other processes.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // What hangs ends here; a slow machine does not.
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
})
