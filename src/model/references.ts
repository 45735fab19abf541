/**
 * The reference check: whether anybody but the file's owner uses a folio, by one of three tests.
 *
 * Source: kvm_gmem_is_safe_for_conversion of the in-place conversion series; folio_maybe_dma_pinned; the mails of February
 * 2024 for the weaker two. Ask only after unmapping: mappings hold references too.
 */
import { sendDrain, waitCalls } from './crossCalls.ts';
import { Errno } from './errno.ts';
import { lockId, waitFor } from './locks.ts';
import { Waiting } from './meter.ts';
import { PageBit, folioPagesAt } from './file.ts';
import { cacheReferences, dropReference, folioMapcount, folioMaybeDmaPinned } from './folios.ts';
import { Op } from './operations.ts';
import { Flow, free, goTo, steady, waits, waitsUpTo } from './step.ts';
import type { Run, Step } from './step.ts';
import { TaskFlag } from './tasks.ts';
import type { World } from './world.ts';

/** Behind the last of the folios from `first` on that one step takes: whole ones. */
function chunkOfFolios(world: World, first: number, end: number, foliosMax: number): number {
  const { folioPages, splits } = world.sizes;
  const { chunk } = world.shape;
  if (!splits) return Math.min(first + Math.max(Math.min(chunk, foliosMax * folioPages), folioPages), end);
  let last = first;
  for (let folios = 0; last < end && folios < foliosMax && last - first < chunk; folios++) last += folioPagesAt(world, last);
  return last;
}

/** Takes a lookup's reference on each folio of the chunk: [cursor, cursorEnd). */
const lookupFolios = (foliosMax: number): Run => (world, task) => {
  const first = world.cursor[task];
  const last = chunkOfFolios(world, first, world.walkEnd[task], foliosMax);
  world.cursorEnd[task] = last;
  let found = 0;
  for (let head = first; head < last; head += folioPagesAt(world, head)) {
    if ((world.pageState[head] & PageBit.Present) === 0) continue;
    world.refcount[head]++;
    found++;
  }
  world.meter.chargeMany(Op['pageCache.lookup'], found);
  return Flow.Next;
};

const putFolios: Run = (world, task) => {
  let put = 0;
  for (let head = world.cursor[task]; head < world.cursorEnd[task]; head += folioPagesAt(world, head)) {
    if ((world.pageState[head] & PageBit.Present) === 0) continue;
    dropReference(world, head, 1);
    put++;
  }
  world.meter.chargeMany(Op['folio.put'], put);
  // A refusal ends the check here; it stands in two places of the routine, and the second has nothing to repeat.
  if (world.flags[task] & TaskFlag.Refused) return Flow.Next;
  world.cursor[task] = world.cursorEnd[task];
  return world.cursor[task] < world.walkEnd[task] ? Flow.Otherwise : Flow.Next;
};

type Test = (world: World, head: number) => boolean;

const isMapped: Test = (world, head) => folioMapcount(world, head) > 0;
const isPinned: Test = folioMaybeDmaPinned;
/** refcount = the owner's and this lookup's: the lookup's own reference must not be forgotten. */
const isReferenced: Test = (world, head) => world.refcount[head] !== cacheReferences(world, head) + 1;

/** Asks one question of each folio of the chunk; otherwise one of them is in use. */
const testFolios = (test: Test): Run => (world, task) => {
  const first = world.cursor[task];
  const last = world.cursorEnd[task];
  let tested = 0;
  let bad = -1;
  for (let head = first; head < last && bad < 0; head += folioPagesAt(world, head)) {
    if ((world.pageState[head] & PageBit.Present) === 0) continue;
    tested++;
    if (test(world, head)) bad = head;
  }
  world.meter.chargeMany(Op['folio.readRef'], tested);
  if (bad < 0) return Flow.Next;
  // Not in `page`: where a guest's fault started the request, that is the page that it will go on with.
  world.walkCursor[task] = bad;
  return Flow.Otherwise;
};

/** Waits until no folio of the chunk is in use: each look asks all of them. */
const waitForFolios = (test: Test): Run => {
  const ask = testFolios(test);
  return (world, task) => {
    const inUse = firstInUse(world, task, test);
    if (inUse >= 0) return waitFor(world, lockId(Waiting.Folio, inUse));
    world.walkCursor[task] = 0;
    return ask(world, task);
  };
};

function firstInUse(world: World, task: number, test: Test): number {
  for (let head = world.cursor[task]; head < world.cursorEnd[task]; head += folioPagesAt(world, head)) {
    if (world.pageState[head] & PageBit.Present && test(world, head)) return head;
  }
  return -1;
}

/** Small folios may sit in an LRU batch: drained once a request, then everything is read again. */
const drainOnce = (enabled: boolean): Run => (world, task) => {
  if (!enabled || world.flags[task] & TaskFlag.Drained || world.shape.lruBatch === 0 || world.shape.folioOrder > 0) return Flow.Otherwise;
  world.flags[task] |= TaskFlag.Drained;
  world.walkCursor[task] = 0;
  sendDrain(world, task);
  return Flow.Next;
};

const refuse = (errno: number): Run => (world, task) => {
  world.flags[task] |= TaskFlag.Refused;
  world.outcome[task] = errno;
  // The bad folio stays in `walkCursor`: the ioctl tells it as its error offset.
  blame(world, task, world.walkCursor[task]);
  return Flow.Next;
};

/** Ghost: tells who stood in the way, from what the world knows and the kernel does not. */
export function blame(world: World, task: number, head: number): void {
  const { meter } = world;
  if (folioMapcount(world, head) > 0) {
    meter.note(Op['refused.mapping']);
    return;
  }
  const end = head + folioPagesAt(world, head);
  const first = Math.max(head, world.rangeStart[task]);
  const last = Math.min(end, world.rangeEnd[task]);
  // Most folios of 1 GiB have one pin: the buffers are looked through before the pages are.
  if (hasWay(world, first, last)) meter.note(Op['refused.ownPin']);
  else if (isHeldBetween(world, head, end) || hasWay(world, head, end)) meter.note(Op['refused.neighbourPin']);
  else meter.note(Op['refused.transient']);
}

/** Whether there is a way to the data of any of the frames. */
function hasWay({ dataRefs }: World, first: number, end: number): boolean {
  for (let frame = first; frame < end; frame++) if (dataRefs[frame] !== 0) return true;
  return false;
}

/** Whether a buffer has a way to any of them. */
function isHeldBetween({ slotFrame, slotCount, dataRefs, shape: { slots, slotPages } }: World, first: number, end: number): boolean {
  for (let slot = 0; slot < slots; slot++) {
    for (let place = slot * slotPages; place < slot * slotPages + slotCount[slot]; place++) {
      const frame = slotFrame[place] - 1;
      if (frame >= first && frame < end && dataRefs[frame] !== 0) return true;
    }
  }
  return false;
}

/**
 * The same where the folio may be mapped and nobody minds: whose pin or get it was. What no buffer holds ends by itself.
 * It looks at what the buffers hold, which is far less than what they have room for.
 */
export function blameHolders(world: World, task: number, head: number): void {
  const { slotFrame, slotCount, meter } = world;
  const { slots, slotPages } = world.shape;
  const last = head + folioPagesAt(world, head);
  const rangeStart = world.rangeStart[task];
  const rangeEnd = world.rangeEnd[task];
  let own = false;
  let neighbour = false;
  for (let slot = 0; slot < slots && !own; slot++) {
    const base = slot * slotPages;
    for (let place = base; place < base + slotCount[slot]; place++) {
      const page = slotFrame[place] - 1;
      if (page < head || page >= last) continue;
      if (page >= rangeStart && page < rangeEnd) own = true;
      else neighbour = true;
    }
  }
  meter.note(own ? Op['refused.ownPin'] : neighbour ? Op['refused.neighbourPin'] : Op['refused.transient']);
}

export type CheckName = 'mapcount' | 'mapped-or-pinned' | 'refcount';

export interface ReferenceCheckOptions {
  readonly check: CheckName;
  /** lru_add_drain_all once where a count is unexpected. */
  readonly drain: boolean;
  /** Label of the step to go on at after a refusal; `outcome` is EAGAIN. */
  readonly refused: string;
  /** How long it waits for the last user of a folio before it refuses, in virtual nanoseconds; Infinity: for ever. Default: not at all. */
  readonly waitNsMax?: number;
  /** Folios that one lookup takes references on, where the engine's chunk is not smaller; default: the chunk. */
  readonly foliosMax?: number;
}

/** What is asked of each folio: the test, its step, the step that waits until it is passed, and that of the last look after the limit. */
interface Question {
  readonly test: Test;
  readonly read: string;
  readonly wait: string;
  readonly reread: string;
}

const MAPPED: Question = { test: isMapped, read: 'folio.readMapcount', wait: 'folio.waitMapcount', reread: 'folio.rereadMapcount' };
const PINNED: Question = { test: isPinned, read: 'folio.readPins', wait: 'folio.waitPins', reread: 'folio.rereadPins' };
const REFERENCED: Question = { test: isReferenced, read: 'folio.readRef', wait: 'folio.waitRef', reread: 'folio.rereadRef' };

const QUESTIONS: Readonly<Record<CheckName, readonly Question[]>> = { 'mapcount': [MAPPED], 'mapped-or-pinned': [MAPPED, PINNED], 'refcount': [REFERENCED] };

/** A wait, and a last look after its limit, as wait_event_timeout has it. They go on at `next`. */
function waitSteps({ test, wait, reread }: Question, next: string, waitNsMax: number): readonly Step[] {
  return [waitsUpTo(wait, waitForFolios(test), waitNsMax, reread), goTo(next), ...(waitNsMax === Infinity ? [] : [steady(reread, testFolios(test), 'refuse'), goTo(next)])];
}

/** Steps that ask of every folio of the walk whether anybody else uses it. */
export function referenceCheckSteps({ check, drain, refused, waitNsMax = 0, foliosMax = Infinity }: ReferenceCheckOptions): readonly Step[] {
  const questions = QUESTIONS[check];
  const whenInUse = ({ wait }: Question): string => (waitNsMax > 0 ? wait : 'refuse');
  const tests = questions.map((question) => steady(question.read, testFolios(question.test), check === 'refcount' ? 'lru.drain' : whenInUse(question)));
  return [
    free('check.begin', (world, task) => {
      world.cursor[task] = world.walkStart[task];
      return Flow.Next;
    }),
    steady('folio.lookupGet', lookupFolios(foliosMax)),
    ...tests,
    steady('folio.put', putFolios, 'folio.lookupGet'),
    goTo('check.done'),
    ...(check === 'refcount'
      ? [steady('lru.drain', drainOnce(drain), whenInUse(questions[0])), waits('lru.wait', waitCalls), goTo('folio.readRef')]
      : []),
    ...(waitNsMax > 0 ? questions.flatMap((question, nth) => waitSteps(question, questions[nth + 1]?.read ?? 'folio.put', waitNsMax)) : []),
    steady('refuse', refuse(Errno.EAGAIN)),
    steady('folio.putRefused', putFolios),
    goTo(refused),
    free('check.done', () => Flow.Next),
  ];
}
