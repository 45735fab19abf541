/**
 * The start of a run: the shape that a workload and a policy ask for, and the world as it stands at t = 0.
 *
 * Explicit runs start with everything private but what the guest had shared by then, lazy ones with everything owned by the host,
 * which is shared.
 * The launch image is populated and mapped in stage-2; that is not counted.
 */
import { shapeUnder } from '../model/host.ts';
import type { HostRules } from '../model/host.ts';
import { DEFAULT_PLATFORM } from '../model/platform.ts';
import type { PlatformName } from '../model/platform.ts';
import type { Shape } from '../model/shape.ts';
import { populate, shareAtStart, startWorld } from '../model/start.ts';
import { UserError } from '../model/userError.ts';
import type { World } from '../model/world.ts';
import type { ConversionPolicy } from '../policies/policy.ts';
import type { Actor, OpenedWorkload, WorkloadOptions } from '../workloads/workload.ts';

/** Page tables of the host hold 512 entries, and so does a large stage-2 leaf. */
const REGION_ORDER = 9;
/** Pages of a gigantic stage-2 leaf: 1 GiB, and memory in folios of that size is what one needs. */
const GIGANTIC_ORDER = 18;
/** Folios that a CPU's LRU batch holds (mm/swap.c, PAGEVEC_SIZE). */
const LRU_BATCH = 31;
/** One step of a burst handles at most a page table. */
const CHUNK = 512;
/** Spare folios of 1 GiB: each costs address space for its counts, and memory only where it is used. */
const GIGANTIC_SPARES_MAX = 16;
/** CPUs of a world, one an actor. */
export const CPUS_MAX = 128;

export interface RunShapeOptions {
  readonly policy: ConversionPolicy;
  readonly rules: HostRules;
  readonly folioOrder: number;
  readonly options: WorkloadOptions;
  readonly opened: OpenedWorkload;
  readonly platform?: PlatformName;
}

/** The shape of the world of one run. @throws UserError where it cannot be built */
export function shapeOf({ policy, rules, folioOrder, options, opened, platform = DEFAULT_PLATFORM }: RunShapeOptions): Shape {
  const { actors, slots, slotPages, ioDepth } = opened;
  const vcpus = actors.findIndex(({ role }) => role !== 'vcpu');
  if (vcpus >= 0 && actors.slice(vcpus).some(({ role }) => role === 'vcpu')) throw new Error('a workload lists its vCPUs first');
  const coreOrder = policy.coreOrder?.(folioOrder) ?? folioOrder;
  checkActors(actors);
  const processes = processesOf(options, actors);
  return shapeUnder(rules, {
    pages: options.pageCount,
    folioOrder: coreOrder,
    regionOrder: REGION_ORDER,
    largeBacking: folioOrder > 0,
    ...(folioOrder >= GIGANTIC_ORDER ? { giganticOrder: GIGANTIC_ORDER, backingOrder: folioOrder, hvo: true } : {}),
    spareFolios: Math.min((slots + ioDepth) * slotPages + actors.length * LRU_BATCH, coreOrder >= GIGANTIC_ORDER ? GIGANTIC_SPARES_MAX : 1 << 16),
    windows: windowsOf(options, actors),
    childWindows: options.windowsPerProcess,
    mms: processes + 1,
    cpus: actors.length,
    vcpus: vcpus < 0 ? actors.length : vcpus,
    tasks: actors.length + ioDepth,
    slots: slots + ioDepth,
    slotPages,
    chunk: CHUNK,
    lruBatch: LRU_BATCH,
    initShared: options.conversion === 'lazy' || (rules.ignoresRequests ?? false),
    lazy: options.conversion === 'lazy',
    broadcastFlush: false,
    ownerRefs: policy.ownerRefs ?? 0,
    content: 'none',
    platform,
    mmapAllowed: true,
    pmdMappings: coreOrder >= REGION_ORDER,
  });
}

/** Refuses more actors than a world has CPUs. @throws UserError */
export function checkActors({ length }: readonly Actor[]): void {
  if (length <= CPUS_MAX) return;
  throw new UserError({
    what: `${length} actors are too many`,
    why: `a world has at most ${CPUS_MAX} CPUs, one an actor`,
    fix: 'ask for fewer --vcpus or --processes',
  });
}

/** Processes of a run: those that were asked for, or more where its actors are in more. */
function processesOf({ processes }: Pick<WorkloadOptions, 'processes'>, actors: readonly Actor[]): number {
  return Math.max(processes, 1 + Math.max(0, ...actors.map(({ process }) => process)));
}

/** Mappings of the file in a run: those of each process, and as many of a forked child. */
export function windowsOf(options: Pick<WorkloadOptions, 'processes' | 'windowsPerProcess'>, actors: readonly Actor[]): number {
  return (processesOf(options, actors) + 1) * options.windowsPerProcess;
}

/** Puts a fresh world into its state at t = 0. */
export function prepareWorld(world: World, rules: HostRules, opened: OpenedWorkload, windowsPerProcess: number): void {
  startWorld(world, rules, { processOfCpu: opened.actors.map(({ process }) => process), windowsPerProcess });
  // First what is shared: how a folio of the launch image is backed may depend on it.
  shareAtStart(world, rules, opened.shared ?? [], world.shape.mms - 1, windowsPerProcess);
  for (const [page, count] of opened.launch) for (let at = page; at < page + count; at++) populate(world, at);
}
