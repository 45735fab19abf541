#!/usr/bin/env node
/** The program: the real catalogue, the real machine, and a command line. */
import { catalogue } from '../harness/builtIn.ts';
import { harnessFile } from '../harness/distFile.ts';
import { readEnvironment, toolVersion } from '../harness/environment.ts';
import type { CellProgress } from '../harness/explorationWorker.ts';
import type { ExplorationResult, ExplorationTask } from '../harness/exploreCell.ts';
import { createIsolated } from '../harness/isolate.ts';
import { packageFolder } from '../harness/packageFolder.ts';
import { createPool } from '../harness/pool.ts';
import { runProgram } from '../harness/programs.ts';
import { failedCell } from '../harness/schedule.ts';
import { watched } from '../harness/watch.ts';
import { ciEnvironmentOf } from './ciEnvironment.ts';
import { runCommandLine } from './program.ts';

// A reader that has seen enough (`| head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});

await runCommandLine(process.argv.slice(2), {
  catalogue,
  version: toolVersion(),
  environment: readEnvironment(),
  createRunner: ({ jobs, isolate }) =>
    isolate ? createIsolated({ childFile: harnessFile('child') }) : watched(createPool({ jobs, workerFile: harnessFile('worker') }), failedCell),
  createExplorationRunner: ({ jobs, memoryBytes, onProgress }) =>
    watched(
      createPool<ExplorationTask, ExplorationResult>({
        jobs,
        workerFile: harnessFile('explorationWorker'),
        // States are in typed arrays, beside the heap: exploreCell.ts keeps those small enough.
        resourceLimits: { maxOldGenerationSizeMb: Math.max(256, Math.floor(memoryBytes / 2 ** 20)) },
        onMessage: (message) => onProgress(message as CellProgress),
      }),
      (_task, error) => ({ status: 'failed', error }),
    ),
  packageFolder: packageFolder(),
  stdout: process.stdout,
  stderr: process.stderr,
  nowMs: () => performance.now(),
  onInterrupt(callback) {
    // The second Ctrl-C is for those who do not want to wait for the record.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, callback);
    return () => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, callback);
    };
  },
  ciEnvironment: ciEnvironmentOf(process.env),
  runProgram,
  setExitCode(code) {
    process.exitCode = code;
  },
});
