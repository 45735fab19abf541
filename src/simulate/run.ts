/**
 * The entry to engine 1 for the conversion family: one cell in, one tally out. For the others see family.ts.
 */
import { Gauge } from '../model/gauges.ts';
import type { GaugeName } from '../model/gauges.ts';
import { buildHost } from '../model/host.ts';
import type { Host, HostRules } from '../model/host.ts';
import { Meter } from '../model/meter.ts';
import { OPERATIONS, Op } from '../model/operations.ts';
import { DEFAULT_PLATFORM, PLATFORMS } from '../model/platform.ts';
import type { PlatformName } from '../model/platform.ts';
import type { VmmStrategy } from '../model/request.ts';
import { inPieces } from '../model/backing.ts';
import { createWorld } from '../model/world.ts';
import type { World } from '../model/world.ts';
import type { Check, ConversionPolicy } from '../policies/policy.ts';
import type { Workload, WorkloadOptions } from '../workloads/workload.ts';
import type { Accounting } from './accounting.ts';
import { createConversionEngine } from './conversion.ts';
import type { CostProfile } from './costs.ts';
import type { Engine } from './engine.ts';
import { PAGE_BYTES, STRUCT_PAGE_BYTES } from './gaugeRecord.ts';
import { prepareWorld, shapeOf } from './prepare.ts';
import type { BaseTally, ConversionTally, Direction, Tally } from './tally.ts';

export { CHECKS } from '../policies/policy.ts';
export type { Check } from '../policies/policy.ts';

export interface RunOptions {
  readonly policy: ConversionPolicy;
  readonly workload: Workload;
  readonly check: Check;
  readonly costs: CostProfile;
  /** 0, 9 (2 MiB), 18 (1 GiB). */
  readonly folioOrder: number;
  /** Default: `sw-protected`. */
  readonly platform?: PlatformName;
  /** Default: the policy's own. */
  readonly vmm?: VmmStrategy;
  readonly options: WorkloadOptions;
  /** For the proof that run-ahead changes nothing. */
  readonly runAhead?: boolean;
  /** Called now and then with the number of accesses so far; for progress. */
  readonly onProgress?: (accesses: number) => void;
  /** For tests and walks: after each step, with the world, the task that took it, and the program that it is a step of. */
  readonly onStep?: (world: World, task: number, host: Host) => void;
}

export interface RunOutcome<T extends BaseTally = Tally> {
  readonly tally: T;
  readonly notes: readonly string[];
}

/** Runs one cell in virtual time. @throws UserError for a shape that cannot be built or a damaged trace */
export async function run(runOptions: RunOptions): Promise<RunOutcome<Tally>> {
  const { policy, workload, check, costs, folioOrder, platform = DEFAULT_PLATFORM, vmm = policy.vmmStrategy, options, runAhead = true, onProgress, onStep } = runOptions;
  const opened = await workload.open(options);
  try {
    const rules = withStrategy(policy.rules({ check }), vmm);
    const shape = shapeOf({ policy, rules, folioOrder, options, opened, platform });
    const host = buildHost(rules, shape);
    const world = createWorld(shape, new Meter(costs.priceNs, shape.tasks));
    prepareWorld(world, rules, opened, options.windowsPerProcess);
    const { engine, accounting } = createConversionEngine({
      world,
      host,
      actors: opened.actors,
      windowsPerProcess: options.windowsPerProcess,
      runAhead,
      retriesAtOnce: vmm === 'retry-at-once',
      ...(onProgress === undefined ? {} : { onProgress }),
      ...(onStep === undefined ? {} : { onStep: (task: number) => onStep(world, task, host) }),
    });
    await engine.run();
    return { tally: tallyOf(engine, accounting, world, costs), notes: [...opened.notes, ...rogueNotes(world)] };
  } finally {
    opened.close?.();
  }
}

const withStrategy = (rules: HostRules, strategy: VmmStrategy | undefined): HostRules => (strategy === undefined ? rules : { ...rules, vmm: { ...rules.vmm, strategy } });

/** What the rogue accesses of a run would have done to the host; the default platform is the one on which nothing happens. */
function rogueNotes({ shape: { platform = DEFAULT_PLATFORM }, meter }: World): readonly string[] {
  const count = meter.count[Op['access.rogue']];
  return count === 0 || platform === DEFAULT_PLATFORM ? [] : [`${count} rogue accesses on ${platform}: ${PLATFORMS[platform].rogue}`];
}

function tallyOf(engine: Engine<World>, accounting: Accounting, world: World, { priceNs }: CostProfile): Tally {
  const { meter } = world;
  const conversion = (direction: Direction): ConversionTally => {
    const { requested, pages, succeeded, timedOut, gaveUp, retries, refused, phasesNs } = accounting.conversions[direction];
    return { requested, pages, succeeded, timedOut, gaveUp, retries, refused, phasesNs };
  };
  let rmapNs = 0;
  for (const [operation, { phase }] of OPERATIONS.entries()) if (phase === 'rmap') rmapNs += meter.count[operation] * priceNs[operation];
  return {
    accesses: engine.streams.accesses,
    completed: meter.count[Op['access.done']],
    work: meter.count[Op['work.done']],
    virtualNs: engine.virtualNs,
    operations: meter.count,
    conversions: { toPrivate: conversion('toPrivate'), toShared: conversion('toShared') },
    latencyNs: accounting.latencyNs,
    bystanderNs: engine.interrupts.bystanderNs,
    lostNs: engine.interrupts.lostNs + engine.waits.othersNs,
    lockBlockedNs: engine.waits.lockBlockedNs,
    errors: { mmap: meter.mmapErrors, gup: meter.gupErrors, convert: meter.convertErrors },
    rmapNs,
    largePages: largePagesOf(world),
    memory: memoryOf(engine, world),
  };
}

/** What is in pieces at the end, and why it stays so: one held piece keeps a large page from being put together or given back. */
function largePagesOf(world: World): Tally['largePages'] {
  const { firstPages, order } = inPieces(world);
  const held = new Set<number>();
  for (const frame of world.slotFrame) if (frame !== 0) held.add((frame - 1) >> order);
  return { inPieces: firstPages.length, heldApart: firstPages.filter((page) => held.has(page >> order)).length };
}

function memoryOf({ gauges, virtualNs }: Engine<World>, { sizes: { folioPages, regionPages }, shape: { giganticOrder } }: World): Tally['memory'] {
  const end = (name: GaugeName): number => gauges.end(Gauge[name]);
  const mean = (name: GaugeName): number => gauges.mean(Gauge[name], virtualNs);
  const max = (name: GaugeName): number => gauges.max[Gauge[name]];
  const coverage = (of: (name: GaugeName) => number): number => {
    const large = of('leaves2M') * regionPages + (giganticOrder === undefined ? 0 : of('leaves1G') * (1 << giganticOrder));
    const mapped = of('leaves4K') + large;
    return mapped === 0 ? 0 : large / mapped;
  };
  const structPages = (of: (name: GaugeName) => number): number => (of('pages') + of('privatePages')) * STRUCT_PAGE_BYTES;
  // HVO leaves a large folio one page of struct pages; a folio that has no more than that keeps what it has.
  const givenBack = Math.max(0, folioPages * STRUCT_PAGE_BYTES - PAGE_BYTES);
  return {
    vmemmapBytes: structPages(max),
    vmemmapMeanBytes: structPages(mean),
    vmemmapHvoMeanBytes: structPages(mean) - mean('largeFolios') * givenBack,
    vmemmapHvoEndBytes: structPages(end) - end('largeFolios') * givenBack,
    pageTableBytes: end('tables') * PAGE_BYTES,
    pageTableMaxBytes: max('tables') * PAGE_BYTES,
    doubleMaxBytes: max('doublePages') * PAGE_BYTES,
    doubleMeanBytes: mean('doublePages') * PAGE_BYTES,
    peakBytes: gauges.peakBytes,
    stage2Leaves4K: end('leaves4K'),
    stage2Leaves2M: end('leaves2M'),
    stage2Leaves1G: end('leaves1G'),
    hugeCoverage: coverage(end),
    hugeCoverageMean: coverage(mean),
  };
}
