/** `foliobench gate`: runs the experiment of a baseline again and compares every figure; and its time, if asked. */
import { appendFile, readFile, realpath } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { compareRecords, type Comparison } from '../gate/compareRecords.ts';
import type { Verdict } from '../gate/finding.ts';
import { formatAnnotations, formatComparison, formatSummary } from '../gate/format.ts';
import { EXACT, readTolerances } from '../gate/tolerances.ts';
import { ALPHA, BLOCKS_DEFAULT, BLOCKS_MIN, SLOWDOWN_DEFAULT } from '../gate/wallClock.ts';
import { compare } from '../harness/compare.ts';
import { cellKey, type Cell, type Experiment } from '../harness/experiment.ts';
import { refuseUnlessWritable, writeWhole } from '../harness/output.ts';
import { readPolicyFiles } from '../harness/policyFiles.ts';
import { formatRecord, messageOf, readRecord, type ResultsRecord } from '../harness/record.ts';
import { quoted } from '../harness/shell.ts';
import { UserError } from '../model/userError.ts';
import { annotatedPath } from './ciEnvironment.ts';
import type { CliContext } from './context.ts';
import { ExitCode } from './exitCodes.ts';
import { parseChoice, parsePositive } from './parse.ts';
import { createProgressLine } from './progress.ts';
import { checkWallClockFlags, WALL_CLOCK, withWallClock, type WallClockFlags } from './wallClock.ts';

interface GateFlags extends WallClockFlags {
  readonly baseline?: string;
  readonly exact?: string;
  readonly result?: string;
  readonly config?: string;
  readonly costs?: string;
  readonly jobs?: number;
  readonly format: 'text' | 'json';
  readonly output?: string;
  readonly update?: boolean;
}

const EXIT_CODES: Readonly<Record<Verdict, number>> = { PASS: ExitCode.Ok, FAIL: ExitCode.Failed, INCONCLUSIVE: ExitCode.Inconclusive };

export function addGateCommand(program: Command, context: CliContext): void {
  program
    .command('gate')
    .description('run the experiment of a baseline again and fail where a figure is another')
    .option('--baseline <file>', 'a record that `compare -o FILE` wrote')
    .option('--exact <file>', 'the same, and no tolerance applies: repeats a result of somebody else')
    .option('--result <file>', 'judge this record, such as one that merge wrote, and run nothing')
    .option('--config <file>', 'tolerances by metric; without it figures are exact')
    .option('--costs <profile>', `cost profile: a name or the path of a file (default: the baseline's)`, String)
    .option('--jobs <count>', 'cells at a time (default: as many as there are CPUs)', parsePositive)
    .option('--format <format>', 'text or json', parseChoice(['text', 'json']), 'text')
    .option('-o, --output <file>', 'write the new record there')
    .option('--update', 'write the new record over the baseline, and say what changed')
    .option('--wall-clock', 'compare the time that the experiment takes too: another foliobench against this one')
    .option('--against <folder>', 'the other one: a checkout, or where it is installed; it and this one run in turns, each run in a process of its own')
    .option('--blocks <count>', `blocks of 4 runs, A B B A and B A A B (default: ${BLOCKS_DEFAULT})`, parseBlocks)
    .option('--slowdown <percent>', `what must be ruled out for a PASS (default: ${SLOWDOWN_DEFAULT * 100})`, parsePositive)
    .addHelpText('after', WALL_CLOCK_HELP)
    .addHelpText('after', '\nExit codes: 0 PASS, 1 FAIL, 3 INCONCLUSIVE, 2 misuse, 130 interrupted. With --update: 0 unless a cell failed.')
    .action((flags: GateFlags) => runGate(flags, context));
}

const WALL_CLOCK_HELP = `
With --wall-clock the verdict is the worse of the two. FAIL: this one is slower by more than this machine shows between runs of one
program, and chance alone shows that at most ${ALPHA * 1000} times in 1000. INCONCLUSIVE: a slowdown of --slowdown cannot be ruled out, or there is no
--against: the times in a baseline are those of another hour, or of another machine. For instance, in a job of a CI system:
  git worktree add ../before origin/main && (cd ../before && npm ci)
  foliobench gate --baseline results/baseline.json --wall-clock --against ../before`;

function parseBlocks(text: string): number {
  const count = parsePositive(text);
  if (count >= BLOCKS_MIN) return count;
  throw new UserError({ what: `"${text}" blocks are too few`, why: 'whatever they showed, chance could have shown it', fix: `write ${BLOCKS_MIN} or more` });
}

async function runGate(flags: GateFlags, context: CliContext): Promise<void> {
  const { baseline, exact } = flags;
  const path = baseline ?? exact;
  if (path === undefined || (baseline !== undefined && exact !== undefined)) {
    throw new UserError({ what: 'gate needs --baseline FILE or --exact FILE, one of them', why: 'there has to be something to compare with', fix: 'make one: foliobench compare -o baseline.json' });
  }
  if (exact !== undefined && (flags.config !== undefined || flags.update === true)) {
    throw new UserError({ what: '--exact goes with neither --config nor --update', why: 'it repeats a result and compares every figure as it is', fix: 'use --baseline' });
  }
  if (flags.wallClock === true && flags.update === true) {
    throw new UserError({ what: '--wall-clock does not go with --update', why: 'no time is kept in a baseline to compare with later', fix: 'leave one of them away' });
  }
  checkWallClockFlags(flags);
  await checkResultFlags(flags, path);
  const tolerances = flags.config === undefined ? EXACT : await readTolerances(flags.config);
  const before = await readRecord(path);
  if (flags.update === true) await refuseUnlessWritable(path);
  if (flags.output !== undefined) await refuseUnlessWritable(flags.output);
  const after = flags.result === undefined ? await runAgain(before, flags, context) : await readRecord(flags.result);
  if (after === undefined) return;
  const counted = compareRecords(before, after, tolerances);
  const comparison = flags.wallClock === true ? await withWallClock(counted, before, flags, context) : counted;
  if (comparison === undefined) return;
  if (flags.output !== undefined) await writeWhole(flags.output, formatRecord(after));
  if (flags.update === true && comparison.findings.length > 0) await writeWhole(path, formatRecord(after));
  await tell(comparison, path, flags, context);
  const failed = after.cells.some(({ status }) => status === 'failed');
  context.setExitCode(flags.update === true ? (failed ? ExitCode.Failed : ExitCode.Ok) : EXIT_CODES[comparison.verdict]);
}

async function checkResultFlags({ result, costs, jobs, output }: GateFlags, path: string): Promise<void> {
  if (result === undefined) return;
  const [idle] = Object.entries({ '--costs': costs, '--jobs': jobs, '-o': output }).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (idle !== undefined) throw new UserError({ what: `--result does not go with ${idle}`, why: 'it judges a record that is there, and runs nothing', fix: 'leave one of them away' });
  const [one, other] = await Promise.all([path, result].map((file) => realpath(file).catch(() => file)));
  if (one === other) throw new UserError({ what: `${result} is the baseline itself`, why: 'a record is always the same as itself', fix: 'name the record that is to be judged' });
}

/** The same experiment by this program; undefined where it was interrupted. */
async function runAgain({ experiment: { ...planned } }: ResultsRecord, { costs, jobs = availableParallelism() }: GateFlags, context: CliContext): Promise<ResultsRecord | undefined> {
  const { catalogue, stderr, nowMs, version, environment } = context;
  const costsFrom = costs ?? planned.costs.name;
  const profile = await catalogue.loadCostProfile(costsFrom);
  const experiment: Experiment = { ...planned, costs: { name: profile.name, hash: profile.hash }, ...(await policyFilesOf(planned)) };
  const abort = new AbortController();
  const stopListening = context.onInterrupt(() => abort.abort());
  const progress = createProgressLine(stderr, nowMs);
  try {
    const record = await compare({
      experiment,
      costsFrom,
      version,
      environment,
      jobs,
      createRunner: (count) => context.createRunner({ jobs: count, isolate: false }),
      signal: abort.signal,
      onProgress: progress.show,
    });
    if (!abort.signal.aborted) return record;
    context.setExitCode(ExitCode.Interrupted);
    return undefined;
  } finally {
    progress.clear();
    stopListening();
  }
}

/** The user's own modules as they are now: that they changed is what is to be judged. */
async function policyFilesOf({ policyFiles = [] }: Experiment): Promise<Pick<Experiment, 'policyFiles'>> {
  if (policyFiles.length === 0) return {};
  const files = await readPolicyFiles(policyFiles.map(({ path }) => path));
  return { policyFiles: policyFiles.map((source) => ({ ...source, hash: files.find(({ path }) => path === source.path)?.hash ?? source.hash })) };
}

async function tell(comparison: Comparison, path: string, { format, update, result }: GateFlags, { stdout, stderr, ciEnvironment }: CliContext): Promise<void> {
  const options = {
    baseline: path,
    current: result ?? 'this program',
    // An --update does nothing about time.
    ...(update === true || comparison.findings.every(({ what }) => what.startsWith(WALL_CLOCK)) ? {} : { hint: `If the change is meant: foliobench gate --baseline ${quoted(path)} --update` }),
  };
  if (format === 'json') stdout.write(`${JSON.stringify(comparison, null, 2)}\n`);
  else stdout.write(`${update === true ? updateLine(comparison, path) : ''}${formatComparison(comparison, options)}`);
  const { annotates = false, summaryFile } = ciEnvironment;
  if (annotates && format === 'text') stdout.write(formatAnnotations(comparison, { file: annotatedPath(path, ciEnvironment), lineOf: linesOf(await readFile(path, 'utf8')) }));
  if (summaryFile === undefined) return;
  // The verdict stands without it.
  await appendFile(summaryFile, formatSummary(comparison, options)).catch((error: unknown) => stderr.write(`foliobench: the job summary is not written: ${messageOf(error)}\n`));
}

/** Times alone are no reason to write a file that is kept under version control. */
const updateLine = ({ findings }: Comparison, path: string): string => (findings.length === 0 ? `${path} is left as it is.\n` : `${path} is written anew. Against what it was:\n`);

/** In which line of a record a cell stands, counted from 1: a cell has one line, in the order of the record. */
function linesOf(text: string): (cell: string) => number | undefined {
  const lines = text.split('\n');
  const places = new Map<string, number>();
  for (const [index, line] of lines.entries()) {
    const key = keyIn(line);
    if (key !== undefined && !places.has(key)) places.set(key, index + 1);
  }
  return (cell) => places.get(cell);
}

function keyIn(line: string): string | undefined {
  if (!/^ *\{"family":/.test(line)) return undefined;
  try {
    return cellKey(JSON.parse(line.replace(/,$/, '')) as Cell);
  } catch {
    return undefined;
  }
}
