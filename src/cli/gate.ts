/** `foliobench gate`: runs the experiment of a baseline again and compares every figure. */
import { appendFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { compareRecords, type Comparison } from '../gate/compareRecords.ts';
import type { Verdict } from '../gate/finding.ts';
import { formatAnnotations, formatComparison, formatSummary } from '../gate/format.ts';
import { EXACT, readTolerances } from '../gate/tolerances.ts';
import { compare } from '../harness/compare.ts';
import type { Experiment } from '../harness/experiment.ts';
import { refuseUnlessFile, writeWhole } from '../harness/output.ts';
import { readPolicyFiles } from '../harness/policyFiles.ts';
import { formatRecord, readRecord, type ResultsRecord } from '../harness/record.ts';
import { UserError } from '../model/userError.ts';
import type { CliContext } from './context.ts';
import { ExitCode } from './exitCodes.ts';
import { parseChoice, parsePositive } from './parse.ts';
import { createProgressLine } from './progress.ts';

interface GateFlags {
  readonly baseline?: string;
  readonly exact?: string;
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
    .option('--config <file>', 'tolerances by metric; without it figures are exact')
    .option('--costs <profile>', `cost profile: a name or the path of a file (default: the baseline's)`, String)
    .option('--jobs <count>', 'cells at a time (default: as many as there are CPUs)', parsePositive)
    .option('--format <format>', 'text or json', parseChoice(['text', 'json']), 'text')
    .option('-o, --output <file>', 'write the new record there')
    .option('--update', 'write the new record over the baseline, and say what changed')
    .addHelpText('after', '\nExit codes: 0 PASS, 1 FAIL, 3 INCONCLUSIVE, 2 misuse, 130 interrupted. With --update: 0 unless a cell failed.')
    .action((flags: GateFlags) => runGate(flags, context));
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
  const tolerances = flags.config === undefined ? EXACT : await readTolerances(flags.config);
  const before = await readRecord(path);
  if (flags.update === true) await refuseUnlessFile(path);
  if (flags.output !== undefined) await refuseUnlessFile(flags.output);
  const after = await runAgain(before, flags, context);
  if (after === undefined) return;
  const comparison = compareRecords(before, after, tolerances);
  if (flags.output !== undefined) await writeWhole(flags.output, formatRecord(after));
  if (flags.update === true) await writeWhole(path, formatRecord(after));
  await tell(comparison, path, flags, context);
  const failed = after.cells.some(({ status }) => status === 'failed');
  context.setExitCode(flags.update === true ? (failed ? ExitCode.Failed : ExitCode.Ok) : EXIT_CODES[comparison.verdict]);
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

async function tell(comparison: Comparison, path: string, { format, update }: GateFlags, { stdout, ciEnvironment }: CliContext): Promise<void> {
  const options = {
    baseline: path,
    current: 'this program',
    ...(update === true ? {} : { hint: `If the change is meant: foliobench gate --baseline ${path} --update` }),
  };
  if (format === 'json') stdout.write(`${JSON.stringify(comparison, null, 2)}\n`);
  else stdout.write(`${update === true ? `${path} is written anew. Against what it was:\n` : ''}${formatComparison(comparison, options)}`);
  const { annotates = false, summaryFile } = ciEnvironment;
  if (annotates && format === 'text') stdout.write(formatAnnotations(comparison));
  if (summaryFile !== undefined) await appendFile(summaryFile, formatSummary(comparison, options));
}
