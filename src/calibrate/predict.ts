/**
 * What the model says that a measured call does: how often each operation, and what else of it depends on its size.
 *
 * The same surroundings are made in a world of the model as on the kernel, and the same call goes through the same routine there;
 * the meter tells what it charged. One task alone, so that nothing waits: CPUs that run the process acknowledge a flush at once.
 *
 * What the model has no state for is counted beside its operations (src/calibrate/terms.ts).
 */
import { buildHost, shapeUnder } from '../model/host.ts';
import type { Host } from '../model/host.ts';
import { drainBatch } from '../model/lru.ts';
import { Meter } from '../model/meter.ts';
import { OPERATIONS, Op } from '../model/operations.ts';
import type { Shape } from '../model/shape.ts';
import { TaskFlag } from '../model/tasks.ts';
import { openWindow } from '../model/windows.ts';
import { createWorld } from '../model/world.ts';
import type { World } from '../model/world.ts';
import { sigbusOnFault } from '../policies/conversion/sigbus-on-fault.ts';
import { separateSharedMemory } from '../policies/conversion/separate-shared-memory.ts';
import { Access } from '../workloads/workload.ts';
import type { AccessKind } from '../workloads/workload.ts';
import type { BackingName } from './backing.ts';
import { callsOf, getCallsOf } from './batches.ts';
import { drive } from './drive.ts';
import { aroundProgram } from './faultAround.ts';
import { isMixed, mixedSequence } from './mixed.ts';
import type { MixedKind, MixedOperation, MixedStep } from './mixed.ts';
import { ownProgram } from './ownRoutines.ts';
import type { MeasuredOperation, Place } from './points.ts';
import { TERMS, isConversion, termsOf } from './terms.ts';

export interface Prediction {
  /** By index in OPERATIONS. */
  readonly counts: Float64Array;
  /** By index in TERMS. */
  readonly terms: Float64Array;
}

/** The one task that does everything. */
const TASK = 0;

/** What one call does at a place; null where the backing has no such call. */
export function predict(place: Place, backing: BackingName): Prediction | null {
  const { operation } = place;
  // Nothing of a memfd is private, and stage-2 would take its pages by GUP.
  if (backing === 'memfd' && (operation === 'efault' || operation === 'sigbus' || operation.startsWith('stage2.'))) return null;
  if (backing === 'memfd' && isAround(place)) return predictBatch(place, backing);
  const scene = openScene(place, backing);
  if (isMixed(operation)) return predictMixed(scene, place, backing);
  const run = SCRIPTS[operation](scene, place, backing);
  return countCall(scene, operation === 'punch.one' ? { ...place, operation: 'punch' } : place, run);
}

/** Reads of shmem map around, into the range of the next call of the batch, too: all calls of a batch are made, and one is the mean of them. */
type AroundOperation = 'fault.first' | 'fault.minor' | 'populate' | 'gup.get';
function isAround(place: Place): place is Place & { readonly operation: AroundOperation } {
  const { operation, dirty, touched } = place;
  return operation === 'gup.get' ? !touched : (operation === 'fault.first' || operation === 'fault.minor' || operation === 'populate') && !dirty;
}

const AROUND: Readonly<Record<AroundOperation, (scene: Scene, range: What & { readonly page: number; readonly count: number }) => void>> = {
  'fault.first': (scene, { page, count }) => touch(scene, count, [0], false, page),
  'fault.minor': (scene, { page, count }) => touch(scene, count, [0], false, page),
  'populate': (scene, range) => populate(scene, range, false),
  'gup.get': (scene, range) => ownAround(scene, 'splice', Access.Splice, range),
};

function predictBatch(place: Place & { readonly operation: AroundOperation }, backing: BackingName): Prediction {
  const { operation, pages } = place;
  const calls = operation === 'gup.get' ? getCallsOf(place) : callsOf(place);
  const scene = openScene({ ...place, pages: pages * calls }, backing);
  if (operation !== 'fault.first') allocate(scene, pages * calls);
  const all = Array.from({ length: calls }, (_, call) => {
    const one = countCall(scene, place, () => AROUND[operation](scene, { page: call * pages, count: pages }));
    // One buffer is enough for all of them, once nobody counts.
    if (operation === 'gup.get') access(scene, Access.Unpin, {});
    return one;
  });
  const { counts, terms } = sumOf(all);
  return { counts: counts.map((count) => count / calls), terms: terms.map((count) => count / calls) };
}

function sumOf(calls: readonly Prediction[]): Prediction {
  const counts = new Float64Array(OPERATIONS.length);
  const terms = new Float64Array(TERMS.length);
  for (const call of calls) {
    for (const [at, count] of call.counts.entries()) counts[at] += count;
    for (const [at, count] of call.terms.entries()) terms[at] += count;
  }
  return { counts, terms };
}

/** The sum of its calls. */
function predictMixed(scene: Scene, place: Place, backing: BackingName): Prediction {
  const calls = mixedSequence(place).flatMap(({ kind, ...range }) =>
    MIXED[kind](scene, { ...place, ...range }, backing).map(([operation, run]) => countCall(scene, { ...place, operation }, run)),
  );
  return sumOf(calls);
}

function countCall(scene: Scene, place: Place, run: () => void): Prediction {
  const { world } = scene;
  // The real file is larger than what its LRU batch holds.
  drainBatch(world, TASK);
  const before = Float64Array.from(world.meter.count);
  const mapped = mappedPages(world);
  run();
  const counts = world.meter.count.map((count, at) => count - before[at]);
  const terms = termsOf(place, counts, mapped.filter((page) => world.mapcount[page] === 0).length);
  correct(counts, place);
  return { counts, terms };
}

/** Pages of the file that somebody has mapped. */
function mappedPages({ mapcount, shape: { pages } }: World): readonly number[] {
  return Array.from({ length: pages }, (_, page) => page).filter((page) => mapcount[page] > 0);
}

/** Takes away what the caller does not do. */
function correct(counts: Float64Array, place: Place): void {
  const { operation, pages, vmas, touched } = place;
  // Interrupted CPUs pay that themselves; here one task does everything.
  counts[Op['tlb.interrupt']] = 0;
  // Linux leaves zeroing to the first use of a page. In the model a folio that nobody is at is up to date, which spares every state of the
  // explorer a bit, and no workload allocates (src/model/allocate.ts).
  if (operation === 'allocate') counts[Op['page.clear']] = 0;
  // Terms: a store by the page has not the price of one by the range.
  if (isConversion(place)) counts[Op['state.prealloc']] = counts[Op['state.store']] = 0;
  // The mappings begin in the middle of a page table that others have too, so that entries are looked at though there were never any.
  const walksForNothing = (operation === 'zap' && !touched) || (operation === 'punch.empty' && counts[Op['rmap.walk']] > 0);
  if (walksForNothing && vmas > 0) counts[Op['pte.check']] = pages;
}

interface Scene {
  readonly world: World;
  readonly host: Host;
  /** The process that is measured. */
  readonly mm: number;
  /** Window that a call maps or unmaps. */
  readonly extra: number;
  /** Faults for reading map around. */
  readonly mapsAround: boolean;
}

type Script = (scene: Scene, place: Place, backing: BackingName) => () => void;

const SCRIPTS: Readonly<Record<Exclude<MeasuredOperation, MixedOperation>, Script>> = {
  'syscall': ({ world }) => () => world.meter.charge(Op.syscall),
  'mmap': (scene, { pages }) => {
    access(scene, Access.Unmap, { count: pages, window: scene.extra });
    return () => access(scene, Access.Map, { count: pages, window: scene.extra });
  },
  'munmap': (scene, { pages, touched, dirty }) => {
    allocate(scene, pages);
    if (touched) touch(scene, pages, [scene.extra], dirty);
    return () => access(scene, Access.Unmap, { count: pages, window: scene.extra });
  },
  'fault.first': (scene, { pages, dirty }) => () => touch(scene, pages, [0], dirty),
  'fault.minor': (scene, { pages, dirty }) => {
    allocate(scene, pages);
    return () => touch(scene, pages, [0], dirty);
  },
  'populate': (scene, { pages, dirty }) => {
    allocate(scene, pages);
    return () => populate(scene, { count: pages }, dirty);
  },
  'zap': (scene, { pages, touched, dirty }) => {
    allocate(scene, pages);
    if (touched) touch(scene, pages, [0], dirty);
    return () => own(scene, 'zap', { count: pages });
  },
  'allocate': (scene, { pages }) => () => allocate(scene, pages),
  'punch': (scene, place, backing) => {
    allocate(scene, place.pages);
    if (place.touched) touchEverywhere(scene, place);
    return () => punch(scene, { count: place.pages }, backing);
  },
  'punch.one': (scene, place, backing) => {
    const { pages, vmas } = place;
    allocate(scene, pages);
    touchEverywhere(scene, place);
    // Their page tables stay.
    for (let window = 1; window < vmas; window++) own(scene, 'zap', { count: pages, window });
    return () => punch(scene, { count: pages }, backing);
  },
  'punch.empty': (scene, { pages }, backing) => () => punch(scene, { count: pages }, backing),
  'gup.get': (scene, place) => held(scene, place, Access.Splice),
  // A long-term pin of shmem may go fast, as a short one of guest_memfd does (gup_fast_folio_allowed).
  'gup.pin': (scene, place, backing) => held(scene, place, backing === 'memfd' ? Access.PinShort : Access.PinLong),
  'gup.unpin': (scene, place) => {
    held(scene, place, Access.PinLong)();
    return () => access(scene, Access.Unpin, {});
  },
  'stage2.fault': (scene, { pages, touched }) => {
    allocate(scene, pages);
    if (touched) touchAsGuest(scene, pages);
    return () => own(scene, 'preFault', { count: pages });
  },
  'stage2.punch': (scene, place, backing) => {
    allocate(scene, place.pages);
    if (place.touched) touchEverywhere(scene, place);
    touchAsGuest(scene, place.pages);
    return () => punch(scene, { count: place.pages }, backing);
  },
  'convert.private': convert,
  'convert.shared': convert,
  'efault': (scene) => () => access(scene, Access.Copy, {}),
  'sigbus': (scene) => () => access(scene, Access.HostRead, {}),
  'fork': (scene, place) => {
    allocate(scene, place.pages);
    if (place.touched) touchEverywhere(scene, place);
    return () => own(scene, 'fork', {});
  },
};

type MixedRange = Place & Omit<MixedStep, 'kind'>;
type MixedCall = readonly [MeasuredOperation, () => void];

/** The calls of a step of a sequence; a touch is a fault, or none. */
const MIXED: Readonly<Record<MixedKind, (scene: Scene, range: MixedRange, backing: BackingName) => readonly MixedCall[]>> = {
  touch: (scene, { page, count, window, dirty }) => [['fault.first', () => touch(scene, count, [window], dirty, page)]],
  populate: (scene, range) => [['populate', () => populate(scene, range, range.dirty)]],
  zap: (scene, range) => [['zap', () => own(scene, 'zap', range)]],
  punch: (scene, range, backing) => [['punch', () => punch(scene, range, backing)]],
  fork: (scene) => [['fork', () => own(scene, 'fork', {})]],
  pin: (scene, range, backing) => [
    ['gup.pin', () => access(scene, backing === 'memfd' ? Access.PinShort : Access.PinLong, range)],
    ['gup.unpin', () => access(scene, Access.Unpin, {})],
  ],
};

function openScene({ pages, vmas, processes, cpus, operation }: Place, backing: BackingName): Scene {
  const mapped = processes * vmas;
  const forks = operation === 'fork' || operation === 'mixed.forks';
  const childWindows = forks ? vmas : 0;
  // Process 0 has made a virtual machine, and KVM looks at its zaps. Beside a memfd there is none, and what forks is a child of its own.
  const mm = backing === 'memfd' || forks ? 1 : 0;
  const shape: Shape = {
    pages: Math.max(1, pages),
    folioOrder: 0,
    regionOrder: 9,
    largeBacking: false,
    // What an LRU batch still holds lives on when it is punched.
    spareFolios: 31,
    windows: mapped + 1 + childWindows,
    childWindows,
    mms: mm + processes + 1,
    cpus,
    vcpus: 0,
    tasks: cpus,
    slots: 1,
    slotPages: Math.max(1, pages),
    chunk: 512,
    lruBatch: 31,
    initShared: operation !== 'efault' && operation !== 'sigbus',
    lazy: false,
    broadcastFlush: false,
    ownerRefs: 0,
    content: 'none',
    mmapAllowed: true,
  };
  const rules = (operation.startsWith('convert.') ? separateSharedMemory : sigbusOnFault).rules({ check: 'refcount' });
  const world = createWorld(shapeUnder(rules, shape), new Meter());
  for (let process = 0; process < processes; process++) {
    for (let nth = 0; nth < vmas; nth++) openWindow(world, process * vmas + nth, mm + process);
  }
  const mapsMore = operation === 'mmap' || operation === 'munmap';
  if (mapsMore) openWindow(world, mapped, mm);
  world.mm.fill(mm);
  return { world, host: buildHost(rules, shape), mm, extra: mapped, mapsAround: backing === 'memfd' };
}

const allocate = (scene: Scene, pages: number): void => access(scene, Access.Allocate, { count: pages });

function touch(scene: Scene, pages: number, windows: readonly number[], dirty: boolean, first = 0): void {
  for (const window of windows) {
    for (let page = first; page < first + pages; page++) {
      if (dirty) access(scene, Access.HostWrite, { page, window });
      else if (scene.mapsAround) ownAround(scene, 'hostRead', Access.HostRead, { page, window });
      else access(scene, Access.HostRead, { page, window });
    }
  }
}

function populate(scene: Scene, what: What, dirty: boolean): void {
  if (scene.mapsAround && !dirty) ownAround(scene, 'populate', Access.HostRead, what);
  else own(scene, 'populate', what);
}

/** Every process touches its own mappings, one after the other; at the time of the call none but the first runs. */
function touchEverywhere(scene: Scene, { pages, vmas, processes, dirty }: Place): void {
  const { world } = scene;
  for (let process = 0; process < processes; process++) {
    world.mm[TASK] = scene.mm + process;
    touch(scene, pages, Array.from({ length: vmas }, (_, nth) => process * vmas + nth), dirty);
  }
  world.mm[TASK] = scene.mm;
}

function touchAsGuest(scene: Scene, pages: number): void {
  for (let page = 0; page < pages; page++) access(scene, Access.GuestWrite, { page });
}

/** Of pages that are all in the other state. */
function convert(scene: Scene, { operation, pages, touched }: Place): () => void {
  if (operation === 'convert.shared') own(scene, 'convert.private', { count: pages });
  if (touched) touchAsGuest(scene, pages);
  return () => own(scene, operation, { count: pages });
}

function punch(scene: Scene, { page = 0, count = 1 }: What, backing: BackingName): void {
  if (backing === 'memfd') own(scene, 'punchRange', { page, count });
  else access(scene, Access.Punch, { page, count });
}

function held(scene: Scene, { pages, touched }: Place, kind: AccessKind): () => void {
  allocate(scene, pages);
  if (touched) touch(scene, pages, [0], true);
  return () => access(scene, kind, { count: pages });
}

interface What {
  readonly page?: number;
  readonly count?: number;
  readonly window?: number;
}

/** One access of the workloads' list, from its begin to its end. */
function access(scene: Scene, kind: AccessKind, { page = 0, count = 1, window = 0 }: What): void {
  begin(scene.world, kind, page, count, window);
  drive(scene.world, TASK, scene.host.program, scene.host.entries[kind]);
}

/** One routine of ours over a range, through a window. */
function own(scene: Scene, routine: string, { page = 0, count = 1, window = 0 }: What): void {
  begin(scene.world, Access.HostWrite, page, count, window);
  drive(scene.world, TASK, ownProgram, ownProgram.entry(routine));
}

/** One routine for reading, of a file whose faults map around. */
function ownAround(scene: Scene, routine: string, kind: AccessKind, { page = 0, count = 1, window = 0 }: What): void {
  begin(scene.world, kind, page, count, window);
  scene.world.flags[TASK] |= TaskFlag.ReadOnly;
  drive(scene.world, TASK, aroundProgram, aroundProgram.entry(routine));
}

function begin(world: World, kind: AccessKind, page: number, count: number, window: number): void {
  world.kind[TASK] = kind;
  world.page[TASK] = page;
  world.rangeStart[TASK] = page;
  world.rangeEnd[TASK] = page + count;
  world.window[TASK] = window;
}

/** The counts of a prediction by name, without those that are 0: for tests and for people. */
export function namedCounts({ counts, terms }: Prediction): Readonly<Record<string, number>> {
  const all = [...OPERATIONS.map(({ name }, at) => [name, counts[at]] as const), ...TERMS.map(({ name }, at) => [name, terms[at]] as const)];
  return Object.fromEntries(all.filter(([, count]) => count !== 0));
}
