/** `foliobench explore`: every interleaving of litmus files, and what holds in them. */
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { checkLitmus, replaySchedule } from '../explore/checkLitmus.ts';
import { explorableOf } from '../explore/family.ts';
import { ALL_REDUCTIONS, NO_REDUCTIONS, type Counterexample, type Reductions, type Verdict } from '../explore/verdict.ts';
import { readLibrary, readLitmusFiles, type LitmusFile } from '../harness/litmusFiles.ts';
import { explore, planExploration, verdictsOf, type ExplorationCell, type ExploredCell } from '../harness/exploration.ts';
import { chooseOptions, chosenText } from '../harness/choices.ts';
import { withoutExpectation } from '../harness/exploreCell.ts';
import { refuseUnlessWritable, writeWhole } from '../harness/output.ts';
import { factsOf, loadOwnPolicy, originOf, readPolicyFiles, STEP_SECONDS, wordOf, type PolicyFile } from '../harness/policyFiles.ts';
import { quoted } from '../harness/shell.ts';
import { hashText, readSources } from '../harness/sources.ts';
import {
  commitVerdict, compareVerdicts, formatVerdictsRecord, readVerdicts, recordVerdict, verdictKey, verdictsPath, VERDICTS_SCHEMA, type CommittedVerdict, type VerdictsRecord,
} from '../harness/verdicts.ts';
import { UserError } from '../model/userError.ts';
import { withChoices } from '../policies/choices.ts';
import { formatCounterexample, type CounterexampleFormat } from '../report/counterexample.ts';
import { formatVerdictDifference, formatVerdicts } from '../report/verdictMatrix.ts';
import { wrap } from '../report/wrap.ts';
import type { CliContext } from './context.ts';
import { ExitCode } from './exitCodes.ts';
import { createExplorationLine } from './explorationProgress.ts';
import { collect, parseChoice, parseList, parsePositive } from './parse.ts';

interface ExploreFlags {
  readonly policy?: readonly string[];
  readonly check?: readonly string[];
  readonly choose?: readonly string[];
  readonly format: 'table' | 'md' | 'json' | 'mermaid';
  readonly show?: boolean;
  readonly maxStates?: number;
  readonly reductions?: Reductions;
  readonly replay?: string;
  readonly stepSeconds?: number;
  readonly jobs?: number;
  readonly output?: string;
  readonly exact?: boolean;
  readonly update?: boolean;
  readonly quiet?: boolean;
}

export function addExploreCommand(program: Command, context: CliContext): void {
  program
    .command('explore')
    .description('run litmus files through every interleaving, and say what holds in all of them')
    .argument('[litmus...]', 'litmus files, folders of them, or names of the library; default: the whole library, held against its committed verdicts')
    .option('--policy <names>', 'instead of those that a file lists: a,b, all, or the path of a module of your own', parseList)
    .option('--check <names>', 'instead of those that a file lists: a,b or all', parseList)
    .option('--choose <policy.choice=value>', 'what a policy leaves open, otherwise than by default (foliobench explain tells it); files expect nothing of it; repeatable', collect)
    .option('--format <format>', 'what stdout shows: table, md, json, or mermaid for one counterexample', parseChoice(['table', 'md', 'json', 'mermaid']), 'table')
    .option('--show', 'show every counterexample; default: those of files that were named, where they are broken or not as expected')
    .option('--max-states <count>', 'end a search after this many states: its verdict is bounded', parsePositive)
    .option('--reductions <names>', 'merge,symmetry,movers, or none; default: all of them', parseReductions)
    .option('--replay <schedule>', 'show the trace of a schedule, of one file under one policy and one check')
    .option('--step-seconds <count>', `what one step of a policy of your own may take before its cell is ended (default: ${STEP_SECONDS})`, parsePositive)
    .option('--jobs <count>', 'cells at a time (default: as many as there are CPUs)', parsePositive)
    .option('-o, --output <file>', 'write the record of verdicts there')
    .option('--exact', 'of the whole library: fail where a number of states differs from the committed one too')
    .option('--update', 'of the whole library: write the verdicts to results/verdicts.json')
    .option('--quiet', 'print nothing to stdout')
    .addHelpText('after', EXIT_CODES_HELP)
    .action((words: readonly string[], flags: ExploreFlags) => runExplore(words, flags, context));
}

const EXIT_CODES_HELP = `
litmus/README.md has the language. Litmus tests are sequentially consistent: they say nothing about memory barriers.
Exit codes: 0 as expected, 1 not as expected or a cell failed, 2 misuse, 3 a bounded search could not tell, 130 interrupted.`;

const REDUCTION_NAMES = ['merge', 'symmetry', 'movers'] as const satisfies readonly (keyof Reductions)[];

function parseReductions(text: string): Reductions {
  const names = parseList(text);
  if (names.length === 1 && names[0] === 'none') return NO_REDUCTIONS;
  const chosen = new Set(names.map(parseChoice([...REDUCTION_NAMES])));
  return { merge: chosen.has('merge'), symmetry: chosen.has('symmetry'), movers: chosen.has('movers') };
}

async function runExplore(words: readonly string[], flags: ExploreFlags, context: CliContext): Promise<void> {
  const { stdout, packageFolder } = context;
  const { output, maxStates, reductions, policy, check, quiet = false } = flags;
  refuseContradictions(words, flags);
  if (output !== undefined) await refuseUnlessWritable(output);
  const policyFiles = await readPolicyFiles(policy, flags.stepSeconds);
  const files = words.length === 0 ? await readLibrary(packageFolder) : await readLitmusFiles(words, packageFolder, factsOf(policyFiles).map(({ name }) => name));
  const cells = planExploration({ files, policyFiles, choose: flags.choose ?? [], ...(policy === undefined ? {} : { policies: policy }), ...(check === undefined ? {} : { checks: check }) });
  if (cells.length === 0) throw new UserError({ what: 'there is nothing to explore', why: 'the library has no litmus file', fix: 'name a litmus file' });
  if (flags.replay !== undefined) {
    const shown = await replay(cells, flags.replay, flags, policyFiles);
    if (!quiet) stdout.write(shown);
    return;
  }
  if (flags.update === true) refuseStaleBuild(files, packageFolder);
  // Another bound, reduction or choice gives other numbers; a user's own files have no committed ones.
  const isHeldAgainstRecord = words.length === 0 && maxStates === undefined && reductions === undefined && cells.every(({ choices }) => choices === undefined);
  const committed = await readCommitted(context, flags);
  const { explored, interrupted } = await exploreAll(cells, policyFiles, committed, flags, context);

  const record = recordOf(explored, files, policyFiles, context);
  if (output !== undefined) await writeWhole(output, formatVerdictsRecord(record));
  const changes = isHeldAgainstRecord && committed !== undefined ? changesOf(committed, shippedOnly(record, policyFiles), cells, flags) : undefined;
  if (!quiet) {
    stdout.write(format(explored, record, words, policyFiles, flags));
    if (flags.format === 'table' || flags.format === 'md') stdout.write(changes?.text ?? '');
  }
  const exitCode = interrupted ? ExitCode.Interrupted : exitCodeOf(explored, flags.update === true ? undefined : changes, flags);
  context.setExitCode(exitCode);
  if (flags.update === true) await update(record, exitCode, context);
}

/* ---- before ---- */

function refuseContradictions(words: readonly string[], { policy, check, choose, maxStates, reductions, replay: schedule, update: writes, exact, output }: ExploreFlags): void {
  const narrowed = [...(words.length > 0 ? ['litmus files'] : []), ...(policy === undefined ? [] : ['--policy']), ...(check === undefined ? [] : ['--check'])];
  const chosen = choose === undefined ? [] : ['--choose'];
  const limits = [...(maxStates === undefined ? [] : ['--max-states']), ...(reductions === undefined ? [] : ['--reductions'])];
  const refuse = (option: string, others: readonly string[], why: string): void => {
    if (others.length > 0) throw new UserError({ what: `${option} does not go with ${others.join(' and ')}`, why, fix: 'leave one of them away' });
  };
  if (writes === true) refuse('--update', [...narrowed, ...chosen, ...limits], 'the committed record has the whole library, each search to its end');
  if (exact === true) refuse('--exact', [...(words.length > 0 ? ['litmus files'] : []), ...chosen, ...limits], 'numbers are held against the committed record of the library, each search to its end');
  if (schedule === undefined) return;
  refuse('--replay', [...limits, ...(writes === true ? ['--update'] : []), ...(exact === true ? ['--exact'] : []), ...(output === undefined ? [] : ['-o'])], 'a replay follows one schedule and searches nothing');
}

/** The hashes that go into the record are those of the build. */
function refuseStaleBuild(files: readonly LitmusFile[], packageFolder: string): void {
  const sources = readSources(packageFolder);
  const changed = files.find(({ litmus, text }) => sources?.litmus[litmus.name] !== hashText(text));
  if (sources !== undefined && changed === undefined) return;
  throw new UserError({
    what: '--update needs a build of these very sources',
    why: changed === undefined || sources === undefined ? 'dist/sources.json is missing' : `${changed.path} has changed since`,
    fix: 'run npm run build, then again',
  });
}

async function readCommitted({ packageFolder }: CliContext, { update: writes }: ExploreFlags): Promise<VerdictsRecord<CommittedVerdict> | undefined> {
  try {
    return await readVerdicts(verdictsPath(packageFolder));
  } catch (error) {
    if (writes === true) return undefined; // a damaged one is what an update is for
    throw error;
  }
}

async function exploreAll(
  cells: readonly ExplorationCell[],
  policyFiles: readonly PolicyFile[],
  committed: VerdictsRecord<CommittedVerdict> | undefined,
  { maxStates, reductions, jobs, stepSeconds }: ExploreFlags,
  context: CliContext,
) {
  const abort = new AbortController();
  const stopListening = context.onInterrupt(() => abort.abort());
  const progress = createExplorationLine(context.stderr, context.nowMs);
  const before = new Map(committed?.verdicts.map((verdict) => [verdictKey(verdict), verdict.states]));
  try {
    const explored = await explore({
      cells,
      policyFiles,
      ...(stepSeconds === undefined ? {} : { stepSeconds }),
      jobs: jobs ?? availableParallelism(),
      createRunner: context.createExplorationRunner,
      signal: abort.signal,
      onProgress: progress.show,
      statesBefore: ({ file, policy, check }) => (file.isOfLibrary ? before.get(verdictKey({ litmus: file.litmus.name, policy, check })) : undefined),
      ...(maxStates === undefined ? {} : { statesMax: maxStates }),
      ...(reductions === undefined ? {} : { reductions }),
    });
    return { explored, interrupted: explored.some(({ result }) => result === undefined) };
  } finally {
    progress.clear();
    stopListening();
  }
}

/* ---- what came of it ---- */

function recordOf(explored: readonly ExploredCell[], files: readonly LitmusFile[], policyFiles: readonly PolicyFile[], { version, packageFolder }: CliContext): VerdictsRecord {
  const policyNames = new Set(explored.map(({ policy }) => policy));
  const own = policyFiles.flatMap(({ hash, policies }) => policies.map(({ name }) => [name, hash] as const));
  return {
    schema: VERDICTS_SCHEMA,
    tool: { version },
    complete: explored.every(({ result }) => result !== undefined),
    sources: Object.fromEntries([...Object.entries(readSources(packageFolder)?.policies ?? {}), ...own].filter(([name]) => policyNames.has(name))),
    litmus: Object.fromEntries(files.map(({ litmus, text }) => [litmus.name, hashText(text)])),
    verdicts: verdictsOf(explored).map(recordVerdict),
    failed: explored.flatMap(({ file, policy, check, result }) => (result?.status === 'failed' ? [{ litmus: file.litmus.name, policy, check, error: result.error }] : [])),
  };
}

/** A policy of the user's own has no committed verdicts. */
function shippedOnly(record: VerdictsRecord, policyFiles: readonly PolicyFile[]): VerdictsRecord {
  const own = new Set(factsOf(policyFiles).map(({ name }) => name));
  return { ...record, verdicts: record.verdicts.filter(({ policy }) => !own.has(policy)) };
}

interface Changes {
  readonly text: string;
  readonly verdicts: boolean;
  readonly numbers: boolean;
}

/** How the run differs from the committed record, as far as it went. */
function changesOf({ verdicts: committed }: VerdictsRecord<CommittedVerdict>, { verdicts }: VerdictsRecord, cells: readonly ExplorationCell[], { policy, check }: ExploreFlags): Changes {
  const isWhole = policy === undefined && check === undefined;
  const planned = new Set(cells.map(({ file, ...cell }) => verdictKey({ litmus: file.litmus.name, ...cell })));
  const found = new Set(verdicts.map(verdictKey));
  // A cell that was not reached or that failed is told as such, and is no difference.
  const recorded = committed.filter((verdict) => found.has(verdictKey(verdict)) || (isWhole && !planned.has(verdictKey(verdict))));
  const { verdicts: otherVerdicts, numbers, added, removed } = compareVerdicts(recorded, verdicts, isWhole);
  const difference = formatVerdictDifference(recorded, verdicts);
  return {
    text: difference === '' ? '' : `\n${difference}`,
    verdicts: otherVerdicts.length > 0,
    numbers: numbers.length + added.length + removed.length > 0,
  };
}

function exitCodeOf(explored: readonly ExploredCell[], changes: Changes | undefined, { exact = false }: ExploreFlags): number {
  const unexpected = verdictsOf(explored).filter(({ asExpected }) => asExpected === false);
  const isFailed = explored.some(({ result }) => result?.status === 'failed') || unexpected.some(({ verdict }) => verdict !== 'bounded');
  if (isFailed || changes?.verdicts === true || (exact && changes?.numbers === true)) return ExitCode.Failed;
  return unexpected.length > 0 ? ExitCode.Inconclusive : ExitCode.Ok;
}

async function update(record: VerdictsRecord, exitCode: number, { packageFolder, stderr }: CliContext): Promise<void> {
  const path = verdictsPath(packageFolder);
  if (exitCode !== ExitCode.Ok) {
    const reason = record.complete ? 'a cell failed or is not as expected' : 'cells are missing';
    stderr.write(`foliobench: results/verdicts.json was not updated: ${reason}\n`);
    return;
  }
  await writeWhole(path, formatVerdictsRecord({ ...record, verdicts: record.verdicts.map(commitVerdict) }));
  stderr.write(`${record.verdicts.length} verdicts written to results/verdicts.json\n`);
}

/* ---- on stdout ---- */

function format(explored: readonly ExploredCell[], record: VerdictsRecord, words: readonly string[], policyFiles: readonly PolicyFile[], flags: ExploreFlags): string {
  const { format: wanted, show = false } = flags;
  const verdicts = verdictsOf(explored);
  if (wanted === 'json') return formatVerdictsRecord(show ? { ...record, verdicts } : record);
  const shown = explored.flatMap((cell) => (cell.result?.status === 'ok' && isShown(cell.result.verdict, words, show) ? [{ cell, verdict: cell.result.verdict }] : []));
  const tell = (how: CounterexampleFormat) => shown.map(({ cell, verdict }) => formatCounterexample(verdict, { format: how, replay: replayCommand(cell, verdict.counterexample, policyFiles) }));
  if (wanted === 'mermaid') return onlyDiagram(tell('mermaid'));
  // A counterexample says of its cell what a line of the list would.
  const told = new Set(words.length > 0 ? shown.map(({ verdict }) => verdict) : []);
  const listed = verdicts.filter((verdict) => !told.has(verdict));
  const sections = [...(listed.length === 0 && told.size > 0 ? [] : [formatVerdicts(listed, { format: wanted })]), ...tell(wanted === 'md' ? 'md' : 'text'), ...chosenLines(explored), ...failedText(record, explored.length), ...interruptedText(explored)];
  return sections.join('\n');
}

function chosenLines(explored: readonly ExploredCell[]): readonly string[] {
  const lines = new Set(explored.flatMap(({ policy, choices }) => (choices === undefined ? [] : [`${policy} with ${chosenText(choices)}: what a file expects of it is left out\n`])));
  return lines.size === 0 ? [] : [[...lines].join('')];
}

/** Counterexamples that nobody was surprised by stay out of the way, unless a file was named for their sake. */
function isShown({ verdict, asExpected, counterexample }: Verdict, words: readonly string[], show: boolean): boolean {
  return counterexample !== null && (show || (words.length > 0 && (verdict === 'broken' || asExpected === false)));
}

function onlyDiagram(diagrams: readonly string[]): string {
  if (diagrams.length === 1) return diagrams[0];
  throw new UserError({
    what: '--format mermaid draws one counterexample',
    why: diagrams.length === 0 ? 'there is none to show' : `there are ${diagrams.length}`,
    fix: diagrams.length === 0 ? 'add --show for those that are as expected, or take another format' : 'name one file, one --policy and one --check',
  });
}

function failedText({ failed }: VerdictsRecord, cells: number): readonly string[] {
  if (failed.length === 0) return [];
  const lines = failed.flatMap(({ error: { what, why, fix }, ...cell }) => wrap(`- ${verdictKey(cell)}: ${what}; ${why}; ${fix}`));
  return [`${[`${failed.length} of ${cells} cells failed:`, ...lines].join('\n')}\n`];
}

function interruptedText(explored: readonly ExploredCell[]): readonly string[] {
  const missing = explored.filter(({ result }) => result === undefined).length;
  return missing === 0 ? [] : [`interrupted: incomplete, ${missing} of ${explored.length} cells were not explored\n`];
}

/** The command that shows a counterexample again. */
function replayCommand({ file, policy, check, choices }: ExplorationCell, counterexample: Counterexample | null, policyFiles: readonly PolicyFile[]): string {
  const words = ['foliobench', 'explore', quoted(file.word), '--policy', quoted(wordOf(policy, policyFiles)), ...(check === null ? [] : ['--check', check]), ...chooseOptions(policy, choices)];
  return [...words, '--replay', quoted(counterexample?.schedule ?? '')].join(' ');
}

/* ---- a schedule again ---- */

async function replay(cells: readonly ExplorationCell[], schedule: string, { format: wanted }: ExploreFlags, policyFiles: readonly PolicyFile[]): Promise<string> {
  const [cell] = cells;
  if (cells.length > 1) {
    throw new UserError({
      what: `--replay follows one cell, and these are ${cells.length}`,
      why: 'a schedule belongs to one file under one policy and one check',
      fix: 'name one file, one --policy and one --check',
    });
  }
  const origin = originOf(cell.policy, policyFiles);
  const policy = origin === undefined ? explorableOf(cell.file.litmus.family).find(({ name }) => name === cell.policy) : await loadOwnPolicy(origin, cell.policy, { bounded: false });
  if (policy === undefined) throw new Error(`no policy ${cell.policy}`);
  const { litmus } = cell.file;
  const parts = { litmus: cell.choices === undefined ? litmus : withoutExpectation(litmus), policy: withChoices(policy, cell.choices), check: cell.check ?? undefined };
  const counterexample = replaySchedule({ ...parts, schedule });
  // A search of one state gives what is true of the cell without any: its world and its expectation.
  const verdict: Verdict = { ...checkLitmus({ ...parts, statesMax: 1, reductions: ALL_REDUCTIONS }), verdict: verdictOfRule(counterexample.rule), counterexample, states: 0, ...(cell.choices === undefined ? {} : { choices: cell.choices }) };
  return formatCounterexample(verdict, { format: wanted === 'table' ? 'text' : wanted, replay: replayCommand(cell, counterexample, policyFiles) });
}

function verdictOfRule(rule: string): Verdict['verdict'] {
  if (rule === '') return 'bounded';
  if (rule === 'nobody-stuck' || rule === 'end-reachable') return 'stuck';
  return ['expected', 'never', 'sometimes', 'outcomes'].includes(rule) ? 'differs' : 'broken';
}
