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
      'bench/**/*.test.ts',
    ],
    globalSetup: ['test/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
