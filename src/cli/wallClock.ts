/** `gate --wall-clock`: the foliobench of a baseline against this one, by the clock on the wall. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Comparison } from '../gate/compareRecords.ts';
import { verdictOf, type Finding } from '../gate/finding.ts';
import { takeTurns, wallNsOf } from '../gate/turns.ts';
import { judgeWallClock, otherMachine, wallClockText, BLOCKS_DEFAULT, SLOWDOWN_DEFAULT, type RunTime } from '../gate/wallClock.ts';
import { expectedKeys } from '../gate/wholeness.ts';
import { programIn } from '../harness/programs.ts';
import { readRecord, type ResultsRecord } from '../harness/record.ts';
import { wordsOf } from '../harness/shell.ts';
import { UserError } from '../model/userError.ts';
import type { CliContext } from './context.ts';
import { ExitCode } from './exitCodes.ts';
import { createLine } from './progress.ts';

/** How findings begin that are about time. */
export const WALL_CLOCK = 'wall clock';

export interface WallClockFlags {
  readonly wallClock?: boolean;
  readonly against?: string;
  readonly blocks?: number;
  /** In per cent. */
  readonly slowdown?: number;
}

/** @throws UserError for flags that have no meaning together */
export function checkWallClockFlags({ wallClock, against, blocks, slowdown }: WallClockFlags): void {
  if (wallClock === true && against !== undefined) programIn(against);
  const [alone] = Object.entries({ '--against': against, '--blocks': blocks, '--slowdown': slowdown }).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (alone === undefined || (wallClock === true && against !== undefined)) return;
  if (wallClock !== true) throw new UserError({ what: `${alone} needs --wall-clock`, why: 'without it nothing is timed', fix: `add --wall-clock, or leave ${alone} away` });
  throw new UserError({ what: `${alone} needs --against FOLDER`, why: 'without it there is nothing to take turns with', fix: 'name the folder of the foliobench to compare with' });
}

/** Adds what the clock says. Undefined where it was interrupted. */
export async function withWallClock(comparison: Comparison, baseline: ResultsRecord, { against, blocks = BLOCKS_DEFAULT, slowdown }: WallClockFlags, context: CliContext): Promise<Comparison | undefined> {
  if (against === undefined) return withFinding(comparison, { kind: 'inconclusive', what: `${WALL_CLOCK}: ${notComparable(baseline, context)}` });
  const timed = await takeTurnsWith({ baseline, against, blocks }, context);
  if (timed === undefined) return undefined;
  const wallClock = judgeWallClock(timed, slowdown === undefined ? SLOWDOWN_DEFAULT : slowdown / 100);
  const judged = { ...comparison, wallClock };
  if (wallClock.verdict === 'PASS') return judged;
  return withFinding(judged, { kind: wallClock.verdict === 'FAIL' ? 'fail' : 'inconclusive', what: `${WALL_CLOCK}: ${wallClockText(wallClock)}` });
}

function withFinding(comparison: Comparison, finding: Finding): Comparison {
  const findings = [...comparison.findings, finding];
  return { ...comparison, findings, verdict: verdictOf(findings, comparison.figures) };
}

/** Times of one run of another hour prove nothing, and those of another machine mean nothing. */
function notComparable({ environment }: ResultsRecord, context: CliContext): string {
  const differences = otherMachine(environment, context.environment);
  const where = differences.length === 0 ? 'the baseline has the times of one run, of another hour' : `the baseline is of another machine (${differences.join('; ')})`;
  return `${where}: name the foliobench to take turns with, --against FOLDER`;
}

interface Contest {
  readonly baseline: ResultsRecord;
  readonly against: string;
  readonly blocks: number;
}

async function takeTurnsWith({ baseline, against, blocks }: Contest, { runProgram, packageFolder, onInterrupt, setExitCode, stderr }: CliContext) {
  const programs = { a: programIn(against), b: programIn(packageFolder) };
  const folders = { a: against, b: packageFolder };
  const words = wordsOf(baseline.experiment.command).slice(1);
  const expected = new Set(expectedKeys(baseline));
  const folder = await mkdtemp(path.join(tmpdir(), 'foliobench-'));
  const abort = new AbortController();
  const stopListening = onInterrupt(() => abort.abort());
  const line = createLine(stderr);
  const runOnce = async (side: 'a' | 'b'): Promise<RunTime> => {
    const output = path.join(folder, `${side}.json`);
    // One cell at a time: cells that run beside each other time each other.
    const { code, said, cpuNs } = await runProgram(programs[side], [...words, '--jobs', '1', '--quiet', '-o', output], abort.signal);
    if (abort.signal.aborted) return { cpuNs: 0, wallNs: 0 };
    const refuse = (why: string) => new UserError({ what: `the foliobench of ${folders[side]} cannot run the experiment of the baseline`, why, fix: 'compare two that can, or make a baseline of what both can run' });
    if (code !== 0 || cpuNs === null) throw refuse(`${baseline.experiment.command} ended with ${code ?? 'a signal'}${said === '' ? '' : `: ${said.trim()}`}`);
    const wallNs = wallNsOf(await readRecord(output), expected);
    if (typeof wallNs === 'string') throw refuse(wallNs);
    return { cpuNs, wallNs };
  };
  try {
    // One run of each that does not count: files come from the disk, and what cannot be run at all is told at once.
    for (const side of ['a', 'b'] as const) await runOnce(side);
    const done = await takeTurns({ blocks, runOnce, signal: abort.signal, onRun: (run, all) => line.show(`${run} of ${all} runs by the clock`) });
    if (!abort.signal.aborted) return done;
    setExitCode(ExitCode.Interrupted);
    return undefined;
  } finally {
    line.clear();
    stopListening();
    await rm(folder, { recursive: true, force: true });
  }
}
