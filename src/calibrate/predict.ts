/**
 * What the model says that a measured call does: how often each operation, and what else of it depends on its size.
 *
 * The same surroundings are made in a world of the model as on the kernel, and the same call goes through the same routine there;
 * the meter tells what it charged. One task alone, so that nothing waits: CPUs that run the process acknowledge a flush at once.
 *
 * Terms beside the operations: a flush has one price in the model, and several in the kernel (arch/x86/mm/tlb.c): up to 33 entries are
 * invalidated one by one, from there on all of the TLB at once. Whoever has flushed walks its page tables anew, back in user space: a
 * cost of each call that flushes, whatever its size. And each call has work around what the model knows of it, once (`call.*`).
 */
import { PageBit } from '../model/file.ts';
import { buildHost } from '../model/host.ts';
import type { Host } from '../model/host.ts';
import { drainBatch } from '../model/lru.ts';
import { Meter } from '../model/meter.ts';
import { OPERATIONS, Op } from '../model/operations.ts';
import type { Shape } from '../model/shape.ts';
import type { Program } from '../model/step.ts';
import { openWindow } from '../model/windows.ts';
import { createWorld } from '../model/world.ts';
import type { World } from '../model/world.ts';
import { sigbusOnFault } from '../policies/conversion/sigbus-on-fault.ts';
import { Access } from '../workloads/workload.ts';
import type { AccessKind } from '../workloads/workload.ts';
import type { BackingName } from './backing.ts';
import { drive } from './drive.ts';
import { ownProgram } from './ownRoutines.ts';
import { OPERATIONS_MEASURED } from './points.ts';
import type { Place } from './points.ts';

/** Of a load or a store, and of a system call that does nothing, there is nothing around the work. */
const CALLS: readonly string[] = Object.keys(OPERATIONS_MEASURED).flatMap((operation) =>
  /^(?:syscall|fault)/.test(operation) ? [] : /^gup\.(?:get|pin)/.test(operation) ? [operation, faulting(operation)] : [operation],
);
/** GUP that has to fault pages in goes another way from the start. */
function faulting(operation: string): string {
  return `${operation}.faulting`;
}
/** Index in CALLS; -1 where there is none. */
const callOf = ({ operation, touched }: Place): number => CALLS.indexOf(operation.startsWith('gup.') && !touched ? faulting(operation) : operation);

/** What a call costs beside the operations of the model. */
export const TERMS: readonly { readonly name: string; readonly summary: string }[] = [
  { name: 'flush.entry', summary: 'invalidate one entry of the TLB, where a flush is not of all (beyond its first entry)' },
  { name: 'flush.all', summary: 'flush all of the TLB, where a range has more than 33 entries: in place of tlb.flush' },
  { name: 'flush.refill', summary: 'walk the page tables anew after a call that flushed' },
  { name: 'entry.dirty', summary: 'clear an entry that is dirty, beside what clearing any entry costs' },
  { name: 'page.used', summary: 'drop a page that was mapped, beside what dropping any page costs' },
  ...CALLS.map((operation) => ({ name: `call.${operation}`, summary: `what a call of ${operation} does around the work that the model knows` })),
];
const [ENTRY, ALL, REFILL, DIRTY, USED, FIRST_CALL] = [0, 1, 2, 3, 4, 5];

/** tlb_single_page_flush_ceiling: the most entries that are invalidated one by one. */
export const FLUSH_ENTRIES_MAX = 33;

export interface Prediction {
  /** By index in OPERATIONS. */
  readonly counts: Float64Array;
  /** By index in TERMS. */
  readonly terms: Float64Array;
}

/** The one task that does everything. */
const TASK = 0;

/** What one call does at a place; null where the model has no such call. */
export function predict(place: Place, backing: BackingName): Prediction | null {
  const measured = SCRIPTS[place.operation];
  if (backing === 'memfd' && isOtherInShmem(place)) return null;
  const scene = openScene(place);
  const run = measured(scene, place, backing);
  // The real file is larger than what its LRU batch holds.
  drainBatch(scene.world, TASK);
  const before = Float64Array.from(scene.world.meter.count);
  scene.terms.fill(0);
  scene.otherwise = 0;
  const used = usedPages(scene.world);
  run();
  const { terms } = scene;
  const counts = scene.world.meter.count.map((count, at) => count - before[at]);
  if (place.dirty) terms[DIRTY] = counts[Op['pte.zap']];
  terms[USED] = used.filter((page) => (scene.world.pageState[page] & PageBit.Present) === 0).length;
  counts[Op['tlb.flush']] -= scene.otherwise;
  if (counts[Op['tlb.flush']] + terms[ALL] > 0) terms[REFILL] = 1;
  const call = callOf(place);
  if (call >= 0) terms[FIRST_CALL + call] = 1;
  correct(counts, place);
  return { counts, terms };
}

/** Pages of the file that somebody has mapped. */
function usedPages({ mapcount, shape: { pages } }: World): readonly number[] {
  return Array.from({ length: pages }, (_, page) => page).filter((page) => mapcount[page] > 0);
}

/** Takes away what the model charges and the caller does not do. */
function correct(counts: Float64Array, { operation }: Place): void {
  // Interrupted CPUs pay that themselves.
  counts[Op['tlb.interrupt']] = 0;
  // The kernel leaves zeroing to the first use of a page (src/model/allocate.ts says so too).
  if (operation === 'allocate') counts[Op['page.clear']] = 0;
  if (!operation.startsWith('gup.')) return;
  // A fault inside of GUP raises no exception; mmap_lock is taken once for all pages (mm/gup.c, __get_user_pages_locked); and nobody
  // uses the buffer before it is given back.
  counts[Op['host.fault']] = 0;
  counts[Op['lock.mmap']] = Math.min(1, counts[Op['lock.mmap']]);
  counts[Op['device.access']] = 0;
}

/** What shmem does otherwise than guest_memfd, beside punching: fault-around maps up to 16 pages in a fault for reading, and long-term pins may go fast. */
function isOtherInShmem({ operation, touched, dirty }: Place): boolean {
  if (operation === 'fault.minor' || operation === 'populate') return !dirty;
  return operation === 'gup.pin' || (operation === 'gup.get' && !touched);
}

interface Scene {
  readonly world: World;
  readonly host: Host;
  readonly terms: Float64Array;
  /** Flushes that are none of single entries: of all, or of a process that runs nowhere, where the kernel has nobody to flush (mm_cpumask is empty). */
  otherwise: number;
  /** Window that a call maps or unmaps. */
  readonly extra: number;
}

type Script = (scene: Scene, place: Place, backing: BackingName) => () => void;

const SCRIPTS: Readonly<Record<Place['operation'], Script>> = {
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
  'populate': (scene, { pages }) => {
    allocate(scene, pages);
    return () => own(scene, 'populate', pages);
  },
  'zap': (scene, { pages, touched, dirty }) => {
    allocate(scene, pages);
    if (touched) touch(scene, pages, [0], dirty);
    return () => own(scene, 'zap', pages);
  },
  'allocate': (scene, { pages }) => () => allocate(scene, pages),
  'punch': (scene, place, backing) => {
    allocate(scene, place.pages);
    if (place.touched) touchEverywhere(scene, place);
    return () => punch(scene, place, backing);
  },
  'punch.empty': (scene, place, backing) => () => punch(scene, place, backing),
  'gup.get': (scene, place) => held(scene, place, Access.Splice),
  'gup.pin': (scene, place) => held(scene, place, Access.PinLong),
  'gup.unpin': (scene, place) => {
    held(scene, place, Access.PinLong)();
    return () => access(scene, Access.Unpin, {});
  },
  'efault': (scene) => () => access(scene, Access.Copy, {}),
};

function openScene({ pages, vmas, processes, cpus, operation }: Place): Scene {
  const mapped = processes * vmas;
  const shape: Shape = {
    pages: Math.max(1, pages),
    folioOrder: 0,
    regionOrder: 9,
    largeBacking: false,
    // What an LRU batch still holds lives on when it is punched.
    spareFolios: 31,
    windows: mapped + 1,
    childWindows: 0,
    mms: processes + 1,
    cpus,
    vcpus: 0,
    tasks: cpus,
    slots: 1,
    slotPages: Math.max(1, pages),
    chunk: 512,
    lruBatch: 31,
    initShared: operation !== 'efault',
    lazy: false,
    broadcastFlush: false,
    ownerRefs: 0,
    content: 'none',
    mmapAllowed: true,
  };
  const world = createWorld(shape, new Meter());
  for (let process = 0; process < processes; process++) {
    for (let nth = 0; nth < vmas; nth++) openWindow(world, process * vmas + nth, process);
  }
  const mapsMore = operation === 'mmap' || operation === 'munmap';
  if (mapsMore) openWindow(world, mapped, 0);
  return { world, host: buildHost(sigbusOnFault.rules({ check: 'refcount' }), shape), terms: new Float64Array(TERMS.length), otherwise: 0, extra: mapped };
}

const allocate = (scene: Scene, pages: number): void => access(scene, Access.Allocate, { count: pages });

function touch(scene: Scene, pages: number, windows: readonly number[], dirty: boolean): void {
  for (const window of windows) for (let page = 0; page < pages; page++) access(scene, dirty ? Access.HostWrite : Access.HostRead, { page, window });
}

/** Every process touches its own mappings, one after the other; at the time of the call none but the first runs. */
function touchEverywhere(scene: Scene, { pages, vmas, processes, dirty }: Place): void {
  const { world } = scene;
  for (let process = 0; process < processes; process++) {
    world.mm[TASK] = process;
    touch(scene, pages, Array.from({ length: vmas }, (_, nth) => process * vmas + nth), dirty);
  }
  world.mm[TASK] = 0;
}

function punch(scene: Scene, { pages }: Place, backing: BackingName): void {
  if (backing === 'memfd') own(scene, 'punchRange', pages);
  else access(scene, Access.Punch, { count: pages });
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
  follow(scene, scene.host.program, scene.host.entries[kind]);
}

/** One routine of ours over the first pages, through the first window. */
function own(scene: Scene, routine: string, pages: number): void {
  begin(scene.world, Access.HostWrite, 0, pages, 0);
  follow(scene, ownProgram, ownProgram.entry(routine));
}

function begin(world: World, kind: AccessKind, page: number, count: number, window: number): void {
  world.kind[TASK] = kind;
  world.page[TASK] = page;
  world.rangeStart[TASK] = page;
  world.rangeEnd[TASK] = page + count;
  world.window[TASK] = window;
}

function follow(scene: Scene, program: Program, entry: number): void {
  const { world } = scene;
  const { count } = world.meter;
  let flushes = count[Op['tlb.flush']];
  drive(world, TASK, program, entry, () => {
    if (count[Op['tlb.flush']] > flushes) noteFlush(scene);
    flushes = count[Op['tlb.flush']];
  });
}

/** A flush of what the task's gather has was sent. */
function noteFlush(scene: Scene): void {
  const { mm, windowMm, walkWindow, gatherStart, gatherEnd } = scene.world;
  const entries = gatherEnd[TASK] - gatherStart[TASK];
  if (!mm.includes(windowMm[walkWindow[TASK]])) scene.otherwise++;
  else if (entries > FLUSH_ENTRIES_MAX) {
    scene.otherwise++;
    scene.terms[ALL]++;
  } else scene.terms[ENTRY] += Math.max(0, entries - 1);
}

/** The counts of a prediction by name, without those that are 0: for tests and for people. */
export function namedCounts({ counts, terms }: Prediction): Readonly<Record<string, number>> {
  const all = [...OPERATIONS.map(({ name }, at) => [name, counts[at]] as const), ...TERMS.map(({ name }, at) => [name, terms[at]] as const)];
  return Object.fromEntries(all.filter(([, count]) => count !== 0));
}
