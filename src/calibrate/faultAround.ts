/**
 * Fault-around: a fault for reading of shmem maps the neighbours that are in the page cache too, and guest_memfd's does not.
 *
 * Source: mm/memory.c (should_fault_around, do_fault_around: a window of fault_around_bytes, which is 64 KiB, aligned by address and cut
 * off at the beginning of the mapping), mm/filemap.c (filemap_map_pages, next_uptodate_folio).
 * The page-table lock is taken once for all of the window. Each folio of it that is up to date gets a reference and its lock, by trylock,
 * whether its entry is empty or not; where it is not, the reference is dropped again. That is why a read of a page that the file does
 * not have costs more the more of its neighbours it has. Where the page itself was not among them the fault goes on as any other.
 * A read of many pages then goes on in slow GUP, which finds the entries that are there now.
 * Differs from Linux: nobody else is there, so that a trylock has its price and nothing to fail at; a window is not cut off at the end of a
 * page table, which only matters to the first window of a mapping.
 */
import { hostAccessSteps } from '../model/access.ts';
import { addRmap, faultCoreSteps, lockEntry, lookupFolio, putFolio, recheckEntryNone, serves, setEntry, unlockEntry } from '../model/fault.ts';
import { PageBit, headOf } from '../model/file.ts';
import { gupRoutines } from '../model/io.ts';
import { Op } from '../model/operations.ts';
import { Flow, acquire, buildProgram, free, freeWhen, goTo, guarded, release, steady } from '../model/step.ts';
import type { Program, Run, Step } from '../model/step.ts';
import { wantsWrite } from '../model/tasks.ts';
import type { World } from '../model/world.ts';
import { populateSteps } from './ownRoutines.ts';

/** fault_around_bytes: 64 KiB. */
const WINDOW_PAGES = 16;
/** Pages between an aligned address and the beginning of a mapping. The kernel maps at any page, so that it is anything from 0 to 15: a middle one. */
const PHASE_PAGES = 8;

/** Otherwise the entry is there, or the fault is for writing: nothing is mapped around. */
const wantsNeighbours: Run = (world, task) =>
  wantsWrite(world, task) || serves(world, task, world.entry[world.window[task] * world.shape.pages + world.page[task]]) ? Flow.Otherwise : Flow.Next;

/** The window's first page becomes the task's, whose own page is kept in `walkStart`. */
const beginAround: Run = (world, task) => {
  const page = world.page[task];
  const first = Math.max(0, page - ((page + PHASE_PAGES) % WINDOW_PAGES));
  world.walkStart[task] = page;
  world.walkEnd[task] = Math.min(first + WINDOW_PAGES, world.shape.pages);
  world.page[task] = first;
  return Flow.Next;
};

/** What is not up to date, as fresh pages of fallocate, is passed over. */
const IN_USE = PageBit.Present | PageBit.UpToDate;
const isInUse = (world: World, page: number): boolean => (world.pageState[headOf(world, page)] & IN_USE) === IN_USE;

/** The first page from the task's on that can be mapped; otherwise the window has no more. */
const findNeighbour: Run = (world, task) => {
  const end = world.walkEnd[task];
  let page = world.page[task];
  while (page < end && !isInUse(world, page)) page++;
  world.page[task] = page;
  return page < end ? Flow.Next : Flow.Otherwise;
};

const takeNeighbour: Run = (world, task) => {
  world.meter.charge(Op['lock.folio']);
  return lookupFolio(world, task);
};

const nextPage: Run = (world, task) => {
  world.page[task]++;
  return Flow.Next;
};

const returnToOwn: Run = (world, task) => {
  world.page[task] = world.walkStart[task];
  world.walkStart[task] = 0;
  world.walkEnd[task] = 0;
  return Flow.Next;
};

/** Goes on at `pte.readNone`, which finds the entry where the page was among those that were mapped. */
const aroundSteps: readonly Step[] = [
  guarded('around.wanted', wantsNeighbours, 'pte.readNone'),
  free('around.begin', beginAround),
  steady('around.first', findNeighbour, 'around.nothing'),
  acquire('around.lock', lockEntry),
  steady('around.take', takeNeighbour, 'around.next'),
  guarded('around.isNone', recheckEntryNone, 'around.put'),
  freeWhen('mapcounts')('around.rmapAdd', addRmap),
  steady('around.set', setEntry),
  goTo('around.next'),
  steady('around.put', putFolio),
  free('around.next', nextPage),
  steady('around.find', findNeighbour, 'around.done'),
  goTo('around.take'),
  free('around.done', returnToOwn),
  release('around.unlock', unlockEntry),
  goTo('pte.readNone'),
  free('around.nothing', returnToOwn),
];

/** The model's slow GUP tries the fast path again behind each page, which Linux does not. */
const staysSlow = (steps: readonly Step[]): readonly Step[] => {
  if (!steps.some(({ name }) => name === 'more')) throw new Error('slow GUP of the model has other steps than the one that is changed here');
  return steps.map((one) => (one.name === 'more' ? { ...one, otherwise: 'mmapLock.read' } : one));
};

const { splice } = gupRoutines({ allowed: true, longTermAllowed: true, bounces: false, remap: false }, () => 0);

/** Routines `hostRead`, `populate` and `splice` of a memfd. They are for reading where `wantsWrite` says so: of a splice by `TaskFlag.ReadOnly`. */
export const aroundProgram: Program = buildProgram({
  hostRead: { steps: hostAccessSteps({ write: false, remap: false, aborts: false }) },
  populate: { steps: populateSteps },
  splice: { steps: staysSlow(splice.steps) },
  faultCore: { steps: [...aroundSteps, ...faultCoreSteps({})] },
});
