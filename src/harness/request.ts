/**
 * From what a user asks for to an experiment: names are resolved, defaults filled in, and every mistake is told before any
 * work begins.
 *
 * Which parameters there are, what they are by default and which runs a workload makes are facts of the family (families/).
 */
import { DEFAULT_PLATFORM, type PlatformName } from '../model/platform.ts';
import type { VmmStrategy } from '../model/request.ts';
import { UserError } from '../model/userError.ts';
import { CHECKS, DEFAULT_CHECK, type Check } from '../policies/policy.ts';
import type { Workload } from '../workloads/workload.ts';
import { checkParams, folioDivides } from './bounds.ts';
import { catalogueOf, familiesOf, openWorkload, type Catalogue, type FamilyCatalogue } from './catalogue.ts';
import { parseAlternatives, refuseUnusedChoices } from './choices.ts';
import type { CellParams, Experiment, FolioSize, PolicySource, Row, Run } from './experiment.ts';
import type { ParamDefaults, ParamName } from './families/family.ts';
import { DEFAULT_FAMILY, families, familyNamed, type FamilyFacts } from './families/index.ts';
import { resolveNames } from './names.ts';
import { factsOf, namesOfWords, type PolicyFile } from './policyFiles.ts';
import { workloadOptionsOf } from './runCell.ts';
import { quoted } from './shell.ts';
import { formatSize, PAGE_BYTES } from './sizes.ts';
import { paramNotTaken, refusalOf } from './takers.ts';

/** What a user may ask for; whatever is missing has a default. */
export interface Request {
  /** Whose policies are compared; default: the first of the families. */
  readonly family?: string;
  /** Names, and paths of modules that `policyFiles` has. */
  readonly policies?: readonly string[];
  readonly policyFiles?: readonly PolicyFile[];
  readonly workloads?: readonly string[];
  readonly checks?: readonly string[];
  /** POLICY.CHOICE=VALUE, with several values for a row of each. */
  readonly choose?: readonly string[];
  readonly seeds?: readonly number[];
  readonly memoryBytes?: number;
  readonly folio?: FolioSize;
  readonly vcpus?: number;
  readonly processes?: number;
  readonly vmas?: number;
  readonly conversion?: CellParams['conversion'];
  readonly dma?: CellParams['dma'];
  readonly io?: CellParams['io'];
  readonly pace?: CellParams['pace'];
  readonly platform?: PlatformName;
  /** What every VMM does with a refusal; default: each policy's own. */
  readonly vmm?: VmmStrategy;
  /** Most pages of one request of the guest to convert; default: as the workload asks. */
  readonly requestPages?: number;
  /** Microseconds that a device holds the buffer of each I/O; default: as the workload draws it. */
  readonly ioHoldUs?: number;
  /** Conversions in per cent of a steady guest's accesses; default: as the workload has it. */
  readonly convertShare?: number;
  readonly accesses?: number;
  /** Name or path of a cost profile. */
  readonly costs?: string;
}

/** Names of the parameters, as the command line has them. */
const OPTION_OF = {
  memoryBytes: 'memory',
  folio: 'folio',
  vcpus: 'vcpus',
  vmas: 'vmas',
  processes: 'processes',
  conversion: 'conversion',
  dma: 'dma',
  io: 'io',
  pace: 'pace',
  platform: 'platform',
  vmm: 'vmm',
  requestPages: 'request-pages',
  ioHoldUs: 'io-hold-us',
  convertShare: 'convert-share',
  accesses: 'accesses',
} as const satisfies Readonly<Record<ParamName, string>>;

/** Where a parameter has this value it is not in the record: a cell that was planned before there were any has the same key. */
const UNSAID: Partial<CellParams> = { platform: DEFAULT_PLATFORM };

export const DEFAULT_SEED = 1;

/** @throws UserError for anything that cannot be run: unknown names, impossible sizes, damaged files. */
export async function createExperiment(request: Request, catalogue: Catalogue): Promise<Experiment> {
  const facts = familyNamed(request.family ?? DEFAULT_FAMILY);
  const own = catalogueOf(catalogue, facts.name);
  refuseOtherParams(request, facts);
  const rows = rowsOf(request, own, catalogue);
  const seeds = seedsOf(request);
  if (request.accesses !== undefined) checkAccesses(request.accesses);
  const costs = await catalogue.loadCostProfile(request.costs ?? catalogue.defaultCosts);
  const runs: Run[] = [];
  let leftOut: UserError | undefined;
  for (const name of workloadNamesOf(request, own, catalogue, facts)) {
    const workload = await openWorkload(own, name);
    // The shipped traces are whole, a test reads them; a user's may be damaged anywhere.
    if (workload.memoryPages !== undefined && !own.traceNames().includes(name)) await own.checkTrace(name);
    for (const mode of facts.modesOf(request, workload)) {
      const params = paramsOf(request, workload, mode, facts);
      // A recorded guest that nobody named is left out where it is smaller than a folio, or no multiple of it.
      if (workload.memoryPages !== undefined && isHeadline(request) && !folioDivides(params)) continue;
      checkParams(params, facts);
      const untaken = paramNotTaken(workload, params);
      if (untaken !== undefined) {
        leftOut = refusalOf(untaken, workload, params, own.workloads);
        if (request.workloads === undefined) continue;
        throw leftOut;
      }
      await checkOpens(workload, params, seeds[0], facts);
      runs.push({ workload: name, params });
    }
  }
  if (runs.length === 0 && leftOut !== undefined) throw leftOut;
  checkMemoryIsUsed(request, runs);
  const policyFiles = policySourcesOf(request);
  return {
    family: facts.name,
    command: commandOf(request),
    costs: { name: costs.name, hash: costs.hash },
    seeds,
    rows,
    runs,
    ...(policyFiles.length === 0 ? {} : { policyFiles }),
  };
}

/** A parameter that the family does not have would change nothing. @throws UserError */
function refuseOtherParams(request: Request, { name, params, takesModules }: FamilyFacts): void {
  const names = Object.keys(OPTION_OF) as readonly ParamName[];
  const other = names.find((param) => request[param] !== undefined && !params.includes(param));
  if (other !== undefined) {
    throw new UserError({
      what: `--${OPTION_OF[other]} does not go with the family ${name}`,
      why: `its cells have ${params.map((param) => `--${OPTION_OF[param]}`).join(', ')}`,
      fix: `leave it away${name === DEFAULT_FAMILY ? '' : `, or leave --family ${name} away`}`,
    });
  }
  if (takesModules || (request.policyFiles ?? []).length === 0) return;
  const takers = families.filter((family) => family.takesModules).map((family) => family.name);
  throw new UserError({ what: `the family ${name} takes no policy of a module of your own`, why: `those are of the family ${takers.join(' or ')}`, fix: `leave --family ${name} away, or the path` });
}

/** A name that another family has is no mistake in writing. @throws UserError */
function refuseNamesOfOthers(kind: 'policies' | 'workloads', words: readonly string[] | undefined, own: FamilyCatalogue, catalogue: Catalogue): void {
  const has = (family: FamilyCatalogue, word: string): boolean => family[kind].some(({ name }) => name === word);
  for (const word of words ?? []) {
    const other = has(own, word) ? undefined : familiesOf(catalogue).find((family) => has(family, word));
    if (other === undefined) continue;
    throw new UserError({
      what: `${word} is ${kind === 'policies' ? 'a policy' : 'a workload'} of another family`,
      why: `it is of ${other.family}, and this is about ${own.family}`,
      fix: `add --family ${other.family}`,
    });
  }
}

/** By path: two words may name two policies of one module. */
function policySourcesOf({ policyFiles = [] }: Request): readonly PolicySource[] {
  return [...new Set(policyFiles.map(({ path }) => path))].map((path) => {
    const same = policyFiles.filter((file) => file.path === path);
    return { path, hash: same[0].hash, policies: factsOf(same).map(({ name }) => name) };
  });
}

function rowsOf({ policies: words, policyFiles = [], checks: wantedChecks, choose = [] }: Request, own: FamilyCatalogue, catalogue: Catalogue): readonly Row[] {
  const { policies: shipped } = own;
  refuseNamesOfOthers('policies', words, own, catalogue);
  refuseChecksOfNobody(wantedChecks, own);
  const policies = [...shipped, ...factsOf(policyFiles)];
  const wanted = words === undefined ? undefined : namesOfWords(words, policyFiles);
  const names = resolveNames('policy', 'policies', wanted ?? policies.filter(({ onRequest }) => onRequest !== true).map(({ name }) => name), policies.map(({ name }) => name));
  const checks = resolveNames('check', 'checks', wantedChecks ?? [DEFAULT_CHECK], CHECKS) as readonly Check[];
  const chosen = parseAlternatives(choose, policies);
  refuseUnusedChoices(choose, names);
  return policies
    .filter(({ name }) => names.includes(name))
    .flatMap(({ name, checks: taken }): readonly Row[] => {
      const rowsUnder = (check: Check | null): readonly Row[] =>
        (chosen[name] ?? [{}]).map((choices) => ({ policy: name, check, ...(Object.keys(choices).length === 0 ? {} : { choices }) }));
      if (taken.length === 0) return rowsUnder(null);
      const possible = checks.filter((check) => taken.includes(check));
      // One of `all` that takes none of these checks is left out; one that was named is a mistake.
      if (possible.length > 0 || wanted === undefined || wanted.includes('all')) return possible.flatMap(rowsUnder);
      throw new UserError({
        what: `${name} does not take the check ${checks.join(', ')}`,
        why: `it takes ${taken.join(', ')}`,
        fix: `add one of them to --check, or leave ${name} out of --policy`,
      });
    });
}

/** @throws UserError where a check is asked of a family that has none */
function refuseChecksOfNobody(wanted: readonly string[] | undefined, { family, policies }: FamilyCatalogue): void {
  if (wanted === undefined || policies.some(({ checks }) => checks.length > 0)) return;
  throw new UserError({ what: `--check does not go with the family ${family}`, why: 'none of its policies has a reference check', fix: 'leave it away' });
}

/** Traces need not be listed: any path to a trace will do. An unknown word is a trace only if it looks like a file's name. */
function workloadNamesOf({ workloads: wanted }: Request, own: FamilyCatalogue, catalogue: Catalogue, { defaultTraces }: FamilyFacts): readonly string[] {
  const { workloads, traceNames } = own;
  refuseNamesOfOthers('workloads', wanted, own, catalogue);
  const synthetic = workloads.map(({ name }) => name);
  const defaults = [...workloads.filter(({ onRequest }) => onRequest !== true).map(({ name }) => name), ...defaultTraces];
  if (wanted === undefined) return defaults;
  const known = [...synthetic, ...traceNames()];
  const isPath = (name: string) => !known.includes(name) && /[/\\]|\.csv(\.gz)?$/.test(name);
  const names = resolveNames('workload', 'workloads', wanted.filter((name) => !isPath(name)), known);
  return [...names, ...new Set(wanted.filter(isPath))];
}

/** The workloads are those of a default run, or all. */
const isHeadline = ({ workloads }: { readonly workloads?: readonly string[] | undefined }): boolean => workloads === undefined || workloads.includes('all');

/** What was asked for, else what the run is, else the family's default; in the order of a record. */
function paramsOf(request: Request, { memoryPages }: Workload, mode: ParamDefaults, { params, defaults }: FamilyFacts): CellParams {
  const asked = Object.fromEntries(params.flatMap((name) => (request[name] === undefined ? [] : [[name, request[name]]]))) as Partial<CellParams>;
  const recorded: Partial<CellParams> = memoryPages === undefined ? {} : { memoryBytes: memoryPages * PAGE_BYTES, accesses: null };
  const values = { ...defaults, ...asked, ...mode, ...recorded };
  return Object.fromEntries(params.flatMap((name) => (values[name] === undefined || values[name] === UNSAID[name] ? [] : [[name, values[name]]]))) as unknown as CellParams;
}

/** Beside synthetic workloads `--memory` is theirs; where there are only recorded guests nobody would notice that it did nothing. */
function checkMemoryIsUsed({ memoryBytes }: Request, runs: readonly Run[]): void {
  if (memoryBytes === undefined || runs.some(({ params }) => params.accesses !== null)) return;
  const other = runs.find(({ params }) => params.memoryBytes !== memoryBytes);
  if (other === undefined) return;
  throw new UserError({
    what: `--memory ${formatSize(memoryBytes)} contradicts ${other.workload}`,
    why: `it was recorded in a guest of ${formatSize(other.params.memoryBytes)}`,
    fix: 'leave --memory away, or name a synthetic workload, which takes any size',
  });
}

/** A pattern may ask for more than a size that can be built; it says so when it is opened, which costs it next to nothing. */
async function checkOpens(workload: Workload, params: CellParams, seed: number, { checkRoom }: FamilyFacts): Promise<void> {
  if (workload.memoryPages !== undefined) return; // a trace would be read up to its launch; its header was checked already
  const opened = await workload.open(workloadOptionsOf({ seed, params }));
  opened.close?.();
  checkRoom(params, opened.actors);
}

function seedsOf({ seeds }: Request): readonly number[] {
  const list = [...new Set(seeds ?? [DEFAULT_SEED])];
  for (const seed of list) {
    if (Number.isInteger(seed) && seed >= 0 && seed < 0x1_0000_0000) continue;
    throw new UserError({ what: `${seed} is no seed`, why: 'a seed is a whole number from 0 to 4294967295', fix: 'pick one in that range, such as --seed 1' });
  }
  if (list.length > 0) return list;
  throw new UserError({ what: 'there is no seed to run with', why: 'the list of seeds is empty', fix: 'leave --seeds away, or ask for one at least' });
}

function checkAccesses(accesses: number): void {
  if (Number.isInteger(accesses) && accesses >= 1 && accesses <= 1_000_000_000_000) return;
  throw new UserError({ what: `--accesses ${accesses} is out of range`, why: 'it has to be a whole number from 1 to 1000000000000', fix: 'pick one in that range' });
}

/** The command that asks for the same: only what was asked for, in one order. */
function commandOf(request: Request): string {
  const { family, policies, workloads, checks, choose = [], seeds, costs } = request;
  const params = (Object.keys(OPTION_OF) as readonly ParamName[]).map((name): readonly [string, string | undefined] => {
    const value = request[name];
    return [`--${OPTION_OF[name]}`, value === undefined ? undefined : name === 'memoryBytes' ? formatSize(Number(value)) : String(value)];
  });
  const options: readonly (readonly [string, string | undefined])[] = [
    ['--family', family === DEFAULT_FAMILY ? undefined : family],
    ['--policy', policies?.join(',')],
    ['--workload', workloads?.join(',')],
    ['--check', checks?.join(',')],
    ...params,
    ['--seeds', seeds?.join(',')],
    ['--costs', costs],
  ];
  const words = options.flatMap(([option, value]) => (value === undefined ? [] : [option, quoted(value)]));
  return ['foliobench', 'compare', ...words, ...choose.flatMap((word) => ['--choose', quoted(word)])].join(' ');
}
