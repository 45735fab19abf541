/** `foliobench compare`: the main job. */
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { compare } from '../harness/compare.ts';
import { FOLIO_ORDERS, type Experiment, type FolioSize } from '../harness/experiment.ts';
import { DEFAULT_FAMILY, families, familyNamed } from '../harness/families/index.ts';
import { readPolicyFiles, STEP_SECONDS } from '../harness/policyFiles.ts';
import { formatRecord, type ResultsRecord, type Shard } from '../harness/record.ts';
import { createExperiment, DEFAULT_SEED, type Request } from '../harness/request.ts';
import { formatSize, parsePercent, parseSize } from '../harness/sizes.ts';
import { readSafety } from '../harness/verdicts.ts';
import { DEFAULT_PLATFORM, PLATFORM_NAMES, type PlatformName } from '../model/platform.ts';
import { VMM_STRATEGIES, type VmmStrategy } from '../model/request.ts';
import { UserError } from '../model/userError.ts';
import { formatTables } from '../report/table.ts';
import type { CliContext } from './context.ts';
import { ExitCode } from './exitCodes.ts';
import { collect, parseChoice, parseCount, parseList, parsePositive, parseSeeds, parseShard } from './parse.ts';
import { createProgressLine } from './progress.ts';

/** As `addRunOptions` reads them. */
export interface RunFlags {
  readonly family?: string;
  readonly policy?: readonly string[];
  readonly workload?: readonly string[];
  readonly check?: readonly string[];
  readonly choose?: readonly string[];
  readonly memory?: number;
  readonly folio?: FolioSize;
  readonly vcpus?: number;
  readonly vmas?: number;
  readonly processes?: number;
  readonly conversion?: 'explicit' | 'lazy';
  readonly dma?: 'pool' | 'direct';
  readonly io?: 'direct' | 'buffered';
  readonly pace?: 'recorded' | 'closed';
  readonly platform?: PlatformName;
  readonly vmm?: VmmStrategy;
  readonly requestPages?: number;
  readonly ioHoldUs?: number;
  readonly convertShare?: number;
  readonly accesses?: number;
  readonly seed?: number;
  readonly seeds?: readonly number[];
  readonly costs?: string;
  readonly stepSeconds?: number;
  readonly jobs?: number;
  readonly isolate?: boolean;
  readonly output?: string;
  readonly resume?: boolean;
  readonly shard?: Shard;
  readonly quiet?: boolean;
}

interface CompareFlags extends RunFlags {
  readonly format: 'table' | 'json';
  readonly by: 'label' | 'workload';
}

export function addCompareCommand(program: Command, context: CliContext): void {
  addRunOptions(program.command('compare').description('run policies on workloads and compare what they cost'))
    .option('--format <format>', 'what stdout shows: table or json', parseChoice(['table', 'json']), 'table')
    .option('--by <what>', 'a table for each label or for each workload', parseChoice(['label', 'workload']), 'label')
    .addHelpText('after', LABELS_HELP)
    .action((flags: CompareFlags) => runCompare(flags, context));
}

/** What is run, how, and where its record goes: the same for every verb that runs cells. */
export function addRunOptions(command: Command): Command {
  const { name: usual, defaults } = familyNamed(DEFAULT_FAMILY);
  return command
    .option('--family <name>', `whose policies: ${families.map(({ name }) => name).join(', ')}; those beside ${usual} have parameters and defaults of their own (foliobench list families) (default: ${usual})`, String)
    .option('--policy <names>', 'policies: a,b, all, or the path of a module of your own', parseList)
    .option('--workload <names>', 'workloads: a,b, all, or the path of a trace', parseList)
    .option('--check <names>', 'reference checks of the policies that take one: a,b or all', parseList)
    .option('--choose <policy.choice=value>', 'what a policy leaves open, otherwise than by default (foliobench explain tells it); =a,b or =all makes a row of each; repeatable', collect)
    .option('--memory <size>', `guest memory; a trace brings its own (default: ${formatSize(defaults.memoryBytes ?? 0)})`, parseSize)
    .option('--folio <size>', `folio size: 4K, 2M or 1G (default: ${defaults.folio})`, parseChoice(Object.keys(FOLIO_ORDERS) as FolioSize[]))
    .option('--vcpus <count>', `vCPUs of the guest (default: ${defaults.vcpus})`, parseCount)
    .option('--vmas <count>', `mappings of the file in each process (default: ${defaults.vmas})`, parseCount)
    .option('--processes <count>', `processes that map the file (default: ${defaults.processes})`, parseCount)
    .option('--conversion <mode>', 'explicit (the guest asks) or lazy (its first touch does); default: see the labels', parseChoice(['explicit', 'lazy']))
    .option('--dma <mode>', 'pool (bounce buffers) or direct (buffers shared in place); default: see the labels', parseChoice(['pool', 'direct']))
    .option('--io <mode>', `direct (pins pages) or buffered (copies) (default: ${defaults.io})`, parseChoice(['direct', 'buffered']))
    .option('--pace <mode>', `closed (as fast as it can) or recorded (default: ${defaults.pace})`, parseChoice(['recorded', 'closed']))
    .option('--platform <name>', `${PLATFORM_NAMES.join(', ')}: what a conversion pays there (default: ${DEFAULT_PLATFORM})`, parseChoice(PLATFORM_NAMES))
    .option('--vmm <strategy>', `${VMM_STRATEGIES.join(', ')}: what the VMM does with a refusal (default: the policy's own)`, parseChoice(VMM_STRATEGIES))
    .option('--request-pages <count>', 'most pages of one request to convert: longer ones are cut, adjacent ones of a burst put together (default: as the workload asks)', parseCount)
    .option('--io-hold-us <us>', 'how long a device holds the buffer of each I/O, in microseconds; for workloads with I/O that pins pages (default: as the workload draws it)', parseCount)
    .option('--convert-share <percent>', 'conversions in per cent of the accesses of a steady guest: uniform, zipf, hot-set (default: 2)', parsePercent)
    .option('--accesses <count>', `accesses of each synthetic cell (default: ${defaults.accesses})`, parseCount)
    .option('--seed <number>', `seed of the synthetic workloads (default: ${DEFAULT_SEED})`, parseCount)
    .option('--seeds <list>', 'several: 1,2,9 or 1-5', parseSeeds)
    .option('--costs <profile>', 'cost profile: a name or the path of a file', String)
    .option('--jobs <count>', 'cells at a time (default: as many as there are CPUs)', parsePositive)
    .option('--step-seconds <count>', `what one step of a policy of your own may take before its cell is ended (default: ${STEP_SECONDS})`, parsePositive)
    .option('--isolate', 'run each cell in a process of its own, and record its resident memory')
    .option('-o, --output <file>', 'write the record there; cells are kept in FILE.partial.jsonl as they end')
    .option('--resume', 'go on from FILE.partial.jsonl')
    .option('--shard <i/n>', 'run part i of n; put the parts together with merge', parseShard)
    .option('--quiet', 'print nothing to stdout');
}

const LABELS_HELP = `
Without --conversion and --dma, recorded guests run under each of three labels, which no table mixes (one with its own requests: two):
  as today        explicit conversion, DMA through a bounce pool
  lazy donation   conversion by first touch, DMA through a bounce pool
  counterfactual  DMA buffers shared in place
Exit codes: 0 well, 1 a cell failed, 2 misuse, 130 interrupted (finished cells are kept; go on with --resume).`;

function runCompare(flags: CompareFlags, context: CliContext): Promise<void> {
  return runAndShow(flags, context, (request) => createExperiment(request, context.catalogue), (record) => format(record, flags, context));
}

/** Runs the cells of an experiment as the flags say, and prints what becomes of the record. */
export async function runAndShow(
  flags: RunFlags,
  context: CliContext,
  planned: (request: Request) => Promise<Experiment>,
  shown: (record: ResultsRecord) => string | Promise<string>,
): Promise<void> {
  const { catalogue, version, environment, stdout, stderr, nowMs } = context;
  const { output, resume, shard, isolate = false, jobs = availableParallelism() } = flags;
  refuseTwoKindsOfSeeds(flags);
  const policyFiles = await readPolicyFiles(flags.policy, flags.stepSeconds);
  const experiment = await planned({ ...requestOf(flags), ...(policyFiles.length === 0 ? {} : { policyFiles }) });
  const abort = new AbortController();
  const stopListening = context.onInterrupt(() => abort.abort());
  const progress = createProgressLine(stderr, nowMs);
  try {
    const record = await compare({
      experiment,
      costsFrom: flags.costs ?? catalogue.defaultCosts,
      version,
      environment,
      jobs,
      createRunner: (count) => context.createRunner({ jobs: count, isolate }),
      signal: abort.signal,
      onProgress: progress.show,
      ...(flags.stepSeconds === undefined ? {} : { stepSeconds: flags.stepSeconds }),
      ...(output === undefined ? {} : { output }),
      ...(resume === undefined ? {} : { resume }),
      ...(shard === undefined ? {} : { shard }),
    });
    progress.clear();
    if (flags.quiet !== true) stdout.write(await shown(record));
    context.setExitCode(exitCodeOf(record, abort.signal));
  } finally {
    progress.clear();
    stopListening();
  }
}

async function format(record: ResultsRecord, { format: wanted, by, costs }: CompareFlags, { catalogue, packageFolder }: CliContext): Promise<string> {
  if (wanted === 'json') return formatRecord(record);
  const profile = await catalogue.loadCostProfile(costs ?? catalogue.defaultCosts);
  return formatTables(record, { by, profile, safety: await readSafety(packageFolder) });
}

/** A failed cell is told by the exit code too, so that a script notices. */
export function exitCodeOf({ cells }: ResultsRecord, { aborted }: AbortSignal): number {
  if (aborted) return ExitCode.Interrupted;
  return cells.some(({ status }) => status === 'failed') ? ExitCode.Failed : ExitCode.Ok;
}

function refuseTwoKindsOfSeeds({ seed, seeds }: RunFlags): void {
  if (seed === undefined || seeds === undefined) return;
  throw new UserError({ what: '--seed does not go with --seeds', why: 'each says alone which seeds to run', fix: 'leave one of them away' });
}

/** Only what was asked for, under the request's names. */
function requestOf({ family, policy, workload, check, choose, memory, seed, seeds, folio, vcpus, vmas, processes, conversion, dma, io, pace, platform, vmm, requestPages, ioHoldUs, convertShare, accesses, costs }: RunFlags): Request {
  const wanted = {
    family,
    policies: policy,
    workloads: workload,
    checks: check,
    choose,
    memoryBytes: memory,
    seeds: seeds ?? (seed === undefined ? undefined : [seed]),
    folio, vcpus, vmas, processes, conversion, dma, io, pace, platform, vmm, requestPages, ioHoldUs, convertShare, accesses, costs,
  };
  return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined)) as Request;
}
