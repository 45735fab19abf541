/**
 * From what a user asks for to an experiment: names are resolved, defaults filled in, and every mistake is told before any
 * work begins.
 *
 * The default run: the founding policies with `null` and `lower-bound` beside them, on all synthetic workloads as guests run today, on
 * two recorded guests under every label, and on two synthetic guests lazily, so that `lazy donation`
 * does not stand on recorded guests alone.
 */
import { DEFAULT_PLATFORM, type PlatformName } from '../model/platform.ts';
import type { VmmStrategy } from '../model/request.ts';
import { UserError } from '../model/userError.ts';
import { CHECKS, DEFAULT_CHECK, type Check } from '../policies/policy.ts';
import { contradictsDirect } from '../workloads/traces/requests.ts';
import type { Workload } from '../workloads/workload.ts';
import { checkOpened, checkParams, folioDivides, PAGE_BYTES } from './bounds.ts';
import { openWorkload, type Catalogue } from './catalogue.ts';
import { parseAlternatives, refuseUnusedChoices } from './choices.ts';
import type { CellParams, Experiment, FolioSize, PolicySource, Row, Run } from './experiment.ts';
import { resolveNames } from './names.ts';
import { factsOf, namesOfWords, type PolicyFile } from './policyFiles.ts';
import { workloadOptionsOf } from './runCell.ts';
import { quoted } from './shell.ts';
import { formatSize } from './sizes.ts';

/** What a user may ask for; whatever is missing has a default. */
export interface Request {
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
  readonly accesses?: number;
  /** Name or path of a cost profile. */
  readonly costs?: string;
}

export const DEFAULTS = {
  memoryBytes: 1024 * 1024 * 1024,
  folio: '4K',
  vcpus: 2,
  processes: 1,
  vmas: 1,
  io: 'direct',
  pace: 'closed',
  accesses: 100_000,
  seed: 1,
} as const;

/** Recorded guests of the default run: a boot, and a day's work with its I/O. */
export const DEFAULT_TRACES: readonly string[] = ['boot-512m', 'file-1g-swiotlb'];
/** Synthetic guests that the default run shows lazily too: a steady one, and one that lives on shared pages. */
export const LAZY_SYNTHETIC: readonly string[] = ['zipf', 'bounce-ring'];

type Mode = Pick<CellParams, 'conversion' | 'dma'>;
const AS_TODAY: Mode = { conversion: 'explicit', dma: 'pool' };
const LAZY_DONATION: Mode = { conversion: 'lazy', dma: 'pool' };
const COUNTERFACTUAL: Mode = { conversion: 'explicit', dma: 'direct' };

/** @throws UserError for anything that cannot be run: unknown names, impossible sizes, damaged files. */
export async function createExperiment(request: Request, catalogue: Catalogue): Promise<Experiment> {
  const rows = rowsOf(request, catalogue);
  const seeds = seedsOf(request);
  if (request.accesses !== undefined) checkAccesses(request.accesses);
  const costs = await catalogue.loadCostProfile(request.costs ?? catalogue.defaultCosts);
  const runs: Run[] = [];
  for (const name of workloadNamesOf(request, catalogue)) {
    const workload = await openWorkload(catalogue, name);
    // The shipped traces are whole, a test reads them; a user's may be damaged anywhere.
    if (workload.memoryPages !== undefined && !catalogue.traceNames().includes(name)) await catalogue.checkTrace(name);
    for (const mode of modesOf(request, workload)) {
      const params = paramsOf(request, workload, mode);
      // A recorded guest that nobody named is left out where it is smaller than a folio, or no multiple of it.
      if (workload.memoryPages !== undefined && isHeadline(request) && !folioDivides(params)) continue;
      checkParams(params);
      await checkOpens(workload, params, seeds[0]);
      runs.push({ workload: name, params });
    }
  }
  checkMemoryIsUsed(request, runs);
  const policyFiles = policySourcesOf(request);
  return {
    family: 'conversion',
    command: commandOf(request),
    costs: { name: costs.name, hash: costs.hash },
    seeds,
    rows,
    runs,
    ...(policyFiles.length === 0 ? {} : { policyFiles }),
  };
}

/** By path: two words may name two policies of one module. */
function policySourcesOf({ policyFiles = [] }: Request): readonly PolicySource[] {
  return [...new Set(policyFiles.map(({ path }) => path))].map((path) => {
    const same = policyFiles.filter((file) => file.path === path);
    return { path, hash: same[0].hash, policies: factsOf(same).map(({ name }) => name) };
  });
}

function rowsOf({ policies: words, policyFiles = [], checks: wantedChecks, choose = [] }: Request, { policies: shipped }: Catalogue): readonly Row[] {
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

/** Traces need not be listed: any path to a trace will do. An unknown word is a trace only if it looks like a file's name. */
function workloadNamesOf({ workloads: wanted }: Request, { workloads, traceNames }: Catalogue): readonly string[] {
  const synthetic = workloads.map(({ name }) => name);
  const defaults = [...workloads.filter(({ onRequest }) => onRequest !== true).map(({ name }) => name), ...DEFAULT_TRACES];
  if (wanted === undefined) return defaults;
  const known = [...synthetic, ...traceNames()];
  const isPath = (name: string) => !known.includes(name) && /[/\\]|\.csv(\.gz)?$/.test(name);
  const names = resolveNames('workload', 'workloads', wanted.filter((name) => !isPath(name)), known);
  return [...names, ...new Set(wanted.filter(isPath))];
}

/** The workloads are those of a default run, or all. */
const isHeadline = ({ workloads }: { readonly workloads?: readonly string[] | undefined }): boolean => workloads === undefined || workloads.includes('all');

/** A user who names a conversion or a DMA mode gets that one alone. */
function modesOf({ conversion, dma, workloads }: Request, workload: Workload): readonly Mode[] {
  if (workload.hasRequests === true && dma === 'direct') throw contradictsDirect(workload.name);
  if (conversion !== undefined || dma !== undefined) return [{ conversion: conversion ?? 'explicit', dma: dma ?? 'pool' }];
  if (workload.memoryPages !== undefined) return workload.hasRequests === true ? [AS_TODAY, LAZY_DONATION] : [AS_TODAY, LAZY_DONATION, COUNTERFACTUAL];
  return isHeadline({ workloads }) && LAZY_SYNTHETIC.includes(workload.name) ? [AS_TODAY, LAZY_DONATION] : [AS_TODAY];
}

function paramsOf(request: Request, { memoryPages }: Workload, { conversion, dma }: Mode): CellParams {
  const { folio, vcpus, processes, vmas, io, pace, accesses, memoryBytes, platform = DEFAULT_PLATFORM, vmm, requestPages } = { ...DEFAULTS, ...request };
  return {
    memoryBytes: memoryPages === undefined ? memoryBytes : memoryPages * PAGE_BYTES,
    folio,
    vcpus,
    processes,
    vmas,
    conversion,
    dma,
    io,
    pace,
    accesses: memoryPages === undefined ? accesses : null,
    // Only where they are no default: a cell that was planned before there were any has the same key.
    ...(platform === DEFAULT_PLATFORM ? {} : { platform }),
    ...(vmm === undefined ? {} : { vmm }),
    ...(requestPages === undefined ? {} : { requestPages }),
  };
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
async function checkOpens(workload: Workload, params: CellParams, seed: number): Promise<void> {
  if (workload.memoryPages !== undefined) return; // a trace would be read up to its launch; its header was checked already
  const opened = await workload.open(workloadOptionsOf({ seed, params }));
  opened.close?.();
  checkOpened(opened.actors, params);
}

function seedsOf({ seeds }: Request): readonly number[] {
  const list = [...new Set(seeds ?? [DEFAULTS.seed])];
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
  const { policies, workloads, checks, choose = [], memoryBytes, folio, vcpus, vmas, processes, conversion, dma, io, pace, platform, vmm, requestPages, accesses, seeds, costs } = request;
  const options: readonly (readonly [string, string | number | undefined])[] = [
    ['--policy', policies?.join(',')],
    ['--workload', workloads?.join(',')],
    ['--check', checks?.join(',')],
    ['--memory', memoryBytes === undefined ? undefined : formatSize(memoryBytes)],
    ['--folio', folio],
    ['--vcpus', vcpus],
    ['--vmas', vmas],
    ['--processes', processes],
    ['--conversion', conversion],
    ['--dma', dma],
    ['--io', io],
    ['--pace', pace],
    ['--platform', platform],
    ['--vmm', vmm],
    ['--request-pages', requestPages],
    ['--accesses', accesses],
    ['--seeds', seeds?.join(',')],
    ['--costs', costs],
  ];
  const words = options.flatMap(([option, value]) => (value === undefined ? [] : [option, quoted(String(value))]));
  return ['foliobench', 'compare', ...words, ...choose.flatMap((word) => ['--choose', quoted(word)])].join(' ');
}
