/**
 * Exposure and rogue accesses: the safety property, kept as ghosts.
 *
 * From the commit of a to-private to that of the next to-shared nothing but the guest can reach the page's data: (a) no present
 * entry, (b) no stale TLB entry, (c) no reference whose holder may touch data, (d) no GUP in flight that will succeed, (e) no
 * fault in flight that will set an entry, (f) no secondary MMU.
 *
 * An exposure is a (page, private interval) in which some way to the page's data was ever open, counted once.
 * A rogue access is a host access that reaches the data of a private page. No policy can see either.
 *
 * Where the platform makes mappings of private pages harmless (`Shape.mappingsAreHarmless`), (a), (b) and (e) are no exposures.
 *
 * Where private pages have a memory of their own (`Shape.keeps`), what the host reaches at their index is another page: neither an
 * exposure nor a rogue access, whatever it does.
 *
 * `dataRefs` counts (a), (b), (c), (d) and (f). A fault in flight (e) is counted when its entry is set; until then only its
 * reference on the folio tells of it.
 */
import { EntryBit } from './entries.ts';
import { PageBit, isApart, isPrivate } from './file.ts';
import { isFlushed, keptByGupFast } from './inFlight.ts';
import { Op } from './operations.ts';
import { DEPTH_MAX } from './step.ts';
import type { Program } from './step.ts';
import type { World } from './world.ts';

/** Whether the frame of an index is the guest's, and nobody else's to reach. */
const holdsPrivateData = (world: World, page: number): boolean => isPrivate(world, page) && !isApart(world, page);

/** To be called when a way to the frame opens, and for each page when it becomes private. */
export function noteExposure(world: World, page: number): void {
  if (page >= world.shape.pages || world.dataRefs[page] === 0 || !holdsPrivateData(world, page)) return;
  if (world.pageState[page] & PageBit.Exposed) return;
  if (world.shape.mappingsAreHarmless && world.dataRefs[page] <= waysThroughMappings(world, page)) return;
  world.pageState[page] |= PageBit.Exposed;
  world.meter.note(Op['access.exposed']);
}

/** Ways (a) and (b): entries that a TLB may hold. */
function waysThroughMappings(world: World, page: number): number {
  let ways = 0;
  for (let window = 0; window < world.shape.windows; window++) {
    const bits = entryOf(world, window, page);
    if (bits & EntryBit.Present) ways++;
    for (const stale of [EntryBit.StaleMunmap, EntryBit.StaleZap]) if ((bits & stale) !== 0 && !isFlushed(world, stale, window, page)) ways++;
  }
  return ways;
}

/** A way to the data of the frame opens: an entry, a pin, a get. */
export function openWay(world: World, frame: number): void {
  world.dataRefs[frame]++;
  noteExposure(world, frame);
}

export function closeWay(world: World, frame: number): void {
  world.dataRefs[frame]--;
}

/** A host access reached the frame. */
export function noteReach(world: World, frame: number): void {
  if (frame < world.shape.pages && holdsPrivateData(world, frame)) world.meter.note(Op['access.rogue']);
}

/* ---- pages that the host may only read ---- */

const isReadOnly = (world: World, page: number): boolean => world.shape.keeps === 'read-only' && page < world.shape.pages && (world.pageState[page] & PageBit.ReadOnly) !== 0;

/** Whether anybody on the host could write the page: by an entry, a buffer, a secondary MMU. */
export function isWritable(world: World, page: number): boolean {
  if (world.pageState[page] & PageBit.Secondary) return true;
  if (someWindow(world, (window) => (entryOf(world, window, page) & (EntryBit.Present | EntryBit.WriteProtected)) === EntryBit.Present)) return true;
  const { slotFrame, slotReadOnly, shape: { slotPages } } = world;
  return slotFrame.some((frame, place) => frame === page + 1 && slotReadOnly[Math.floor(place / slotPages)] === 0);
}

/** To be called when a page becomes read-only, and when a way to its data opens that may be one to write. */
export function noteWritable(world: World, page: number): void {
  if (!isReadOnly(world, page) || world.pageState[page] & PageBit.Exposed || !isWritable(world, page)) return;
  world.pageState[page] |= PageBit.Exposed;
  world.meter.note(Op['access.exposed']);
}

/** A host write reached the frame. */
export function noteWrite(world: World, frame: number): void {
  if (isReadOnly(world, frame)) world.meter.note(Op['access.rogue']);
}

/* ---- which ways are open: for counterexamples and tests ---- */

export interface Way {
  readonly letter: 'a' | 'b' | 'c' | 'd' | 'e' | 'f';
  readonly sentence: string;
}

/** All ways that there are. */
export const WAYS = [
  { letter: 'a', sentence: 'a present page-table entry of the host' },
  { letter: 'b', sentence: 'a stale TLB entry that has not been flushed' },
  { letter: 'c', sentence: 'a reference whose holder may touch the data' },
  { letter: 'd', sentence: 'a GUP in flight that will succeed' },
  { letter: 'e', sentence: 'a fault in flight that will install an entry' },
  { letter: 'f', sentence: 'an entry of a secondary MMU' },
] as const satisfies readonly Way[];

type IsOpen = (world: World, program: Program, page: number) => boolean;

const OPEN: Readonly<Record<Way['letter'], IsOpen>> = {
  a: (world, _, page) => someWindow(world, (window) => (entryOf(world, window, page) & EntryBit.Present) !== 0),
  b: (world, _, page) => someWindow(world, (window) => hasStale(world, window, page)),
  c: isHeld,
  d: (world, program, page) => someTask(world, (task) => isGrabbed(world, program, task, page)),
  e: (world, program, page) => someTask(world, (task) => faultsIn(world, task, page) && installs(world, program, task)),
  f: (world, _, page) => (world.pageState[page] & PageBit.Secondary) !== 0,
};

const THROUGH_MAPPINGS: ReadonlySet<string> = new Set(['a', 'b', 'e']);

/** The ways to the data of a page that are open now, in the order of their letters. @param program the tasks' positions are positions in it */
export function openWays(world: World, program: Program, page: number): readonly Way[] {
  const { mappingsAreHarmless = false } = world.shape;
  if (isApart(world, page)) return [];
  return WAYS.filter(({ letter }) => !(mappingsAreHarmless && THROUGH_MAPPINGS.has(letter)) && OPEN[letter](world, program, page));
}

function someWindow({ shape }: World, asks: (window: number) => boolean): boolean {
  for (let window = 0; window < shape.windows; window++) if (asks(window)) return true;
  return false;
}

function someTask({ shape }: World, asks: (task: number) => boolean): boolean {
  for (let task = 0; task < shape.tasks; task++) if (asks(task)) return true;
  return false;
}

const entryOf = (world: World, window: number, page: number): number => world.entry[window * world.shape.pages + page];

function hasStale(world: World, window: number, page: number): boolean {
  const bits = entryOf(world, window, page);
  return [EntryBit.StaleMunmap, EntryBit.StaleZap].some((stale) => (bits & stale) !== 0 && !isFlushed(world, stale, window, page));
}

/** Holders of an orphan hold what is no longer this page. */
function isHeld({ slotFrame }: World, _: Program, page: number): boolean {
  return slotFrame.includes(page + 1);
}

const positionOf = (world: World, task: number): number => world.pc[task * DEPTH_MAX + world.depth[task]];

function isGrabbed(world: World, program: Program, task: number, page: number): boolean {
  const [first, end] = keptByGupFast(world, program.names[positionOf(world, task)], task);
  return page >= first && page < end;
}

/** Steps of a host fault between the look at the shareability and the entry. */
const INSTALLING: ReadonlySet<string> = new Set([
  'folio.lookupGet', 'to folio.lock', 'folio.alloc', 'pageCache.insert', 'lru.add', 'folio.lock', 'invalidate.readUnlock', 'folio.clear', 'ptl.lock',
  'pte.recheckNone', 'rmap.add', 'pte.set', 'pmd.isNone', 'pmd.rmapAdd', 'pmd.set',
]);

/** Whether the task's fault is about the page, or would map it with the region of its own. */
function faultsIn({ page: faulted, regionShared, shape: { regionOrder } }: World, task: number, page: number): boolean {
  return faulted[task] === page || (regionShared[task] === 1 && faulted[task] >> regionOrder === page >> regionOrder);
}

function installs(world: World, { routineNames, names }: Program, task: number): boolean {
  const at = positionOf(world, task);
  return routineNames[at] === 'faultCore' && INSTALLING.has(names[at]);
}
