/** A command line run right here, on a machine that is made up: what it printed, and how it ended. */
import { runCommandLine } from '../../src/cli/program.ts';
import type { CliContext } from '../../src/cli/context.ts';
import type { Catalogue } from '../../src/harness/catalogue.ts';
import { fakeCatalogue } from './fakeCatalogue.ts';
import { createLocalExplorationRunner } from './localExplorationRunner.ts';
import { createLocalRunner } from './localRunner.ts';

export interface Surroundings {
  readonly catalogue?: Catalogue;
  readonly ciEnvironment?: CliContext['ciEnvironment'];
  /** Ctrl-C comes as soon as somebody listens; or at those times of which it says so. */
  readonly interrupts?: boolean | (() => boolean);
  /** Runs of other programs; without it there are none. */
  readonly runProgram?: CliContext['runProgram'];
  /** Where the package lies. */
  readonly folder: string;
}

export interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function runWords(words: readonly string[], { catalogue = fakeCatalogue, ciEnvironment = {}, interrupts = false, runProgram = () => Promise.reject(new Error('no other program')), folder }: Surroundings): Promise<Outcome> {
  const outcome = { exitCode: 0, stdout: '', stderr: '' };
  await runCommandLine(words, {
    catalogue,
    version: '1.0.0',
    environment: { node: 'v20.19.0', platform: 'linux', arch: 'x64', cpuModel: 'none', cpus: 2, kernel: '6.1' },
    createRunner: () => createLocalRunner(catalogue),
    createExplorationRunner: createLocalExplorationRunner,
    packageFolder: folder,
    ciEnvironment,
    runProgram,
    stdout: { write: (text) => void (outcome.stdout += text) },
    stderr: { write: (text) => void (outcome.stderr += text) },
    nowMs: () => 0,
    onInterrupt(callback) {
      if (typeof interrupts === 'function' ? interrupts() : interrupts) callback();
      return () => {};
    },
    setExitCode: (code) => void (outcome.exitCode = code),
  });
  return outcome;
}
