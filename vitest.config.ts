import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    // Whole-system tests start worker threads and child processes of their own: more files at once only fight for the same cores.
    maxWorkers: 2,
    testTimeout: 30_000,
    coverage: {
      include: ['src/**/*.ts'],
      exclude: [
        'src/**/*.test.ts',
        // Programs of processes and threads of their own, where coverage does not see that tests run them.
        'src/cli/main.ts', 'src/harness/cpuTime.ts', 'src/harness/policyCheck.ts', 'src/harness/writeSources.ts',
        'src/calibrate/mapProcess.ts', 'src/calibrate/spinThread.ts', 'src/calibrate/touchPrivate.ts',
      ],
      reporter: ['text-summary', 'json-summary'],
      // A little below what the suite reaches.
      thresholds: { statements: 97, branches: 94, functions: 94, lines: 97 },
    },
  },
});
