/** What a verb needs of the world outside: an argument, so that tests bring their own. */
import type { Catalogue } from '../harness/catalogue.ts';
import type { ExplorationRunner, ExplorationRunnerOptions } from '../harness/exploration.ts';
import type { RunProgram } from '../harness/programs.ts';
import type { Environment } from '../harness/record.ts';
import type { CellRunner } from '../harness/schedule.ts';
import type { CiEnvironment } from './ciEnvironment.ts';

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

export interface CliContext {
  readonly catalogue: Catalogue;
  readonly version: string;
  readonly environment: Environment;
  readonly createRunner: (options: { readonly jobs: number; readonly isolate: boolean }) => CellRunner;
  readonly createExplorationRunner: (options: ExplorationRunnerOptions) => ExplorationRunner;
  /** Where the package lies, with its litmus files and committed verdicts. */
  readonly packageFolder: string;
  /** Data. */
  readonly stdout: Output;
  /** Progress and errors. */
  readonly stderr: Output;
  /** Milliseconds of a monotonic clock. */
  readonly nowMs: () => number;
  /** Calls back on Ctrl-C, until the function that it returns is called. */
  readonly onInterrupt: (callback: () => void) => () => void;
  readonly ciEnvironment: CiEnvironment;
  /** Runs a foliobench as a program of its own. */
  readonly runProgram: RunProgram;
  readonly setExitCode: (code: number) => void;
}
