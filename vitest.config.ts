import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    // Whole-system tests start worker threads and child processes of their own: more files at once only fight for the same cores.
    maxWorkers: 2,
    testTimeout: 30_000,
    coverage: {
      include: ['src/**/*.ts'],
      exclude: ['src/**/*.test.ts'],
      reporter: ['text-summary', 'json-summary'],
      // A little below what the suite reaches; entry points that run in processes of their own count as not covered.
      thresholds: { statements: 97, branches: 94, functions: 94, lines: 97 },
    },
  },
});
