/**
 * What must hold in every state of a world of the family `unsharing`.
 */
import { EntryBit, TableBit, entryAt, isPresent, isSwapEntry, tableAt } from '../memory/entries.ts';
import { FrameBit, headOf, isCounted, isLarge, hugeOf } from '../memory/frames.ts';
import { framesOf } from '../memory/shape.ts';
import { SlotKind } from '../memory/slots.ts';
import { GUP_PIN_COUNTING_BIAS } from '../folios.ts';
import { DEPTH_MAX } from '../step.ts';
import { AnonymousAccess } from './kinds.ts';
import { regionPages } from './pmd.ts';
import type { AnonymousWorld } from './world.ts';

export interface AnonymousInvariant {
  readonly name: string;
  readonly sentence: string;
  readonly why: string;
  /** What is wrong; undefined where it holds. */
  readonly broken: (world: AnonymousWorld) => string | undefined;
}

/** Whether a task is in the middle of filling or emptying the slot. */
export function isInUse(world: AnonymousWorld, slot: number): boolean {
  for (let task = 0; task < world.shape.tasks; task++) {
    const kind = world.kind[task];
    const fills = (kind >= AnonymousAccess.PinRead && kind <= AnonymousAccess.Splice) || kind === AnonymousAccess.Unpin;
    if (fills && world.slot[task] === slot && world.pc[task * DEPTH_MAX] !== 0) return true;
  }
  return false;
}

/** Calls back for each page of each pin that is complete, and whose range its process has not given up. */
function forEachPinned(world: AnonymousWorld, visit: (frame: number, entry: number, kind: number, page: number) => string | undefined): string | undefined {
  const { slots, slotPages } = world.shape;
  for (let slot = 0; slot < slots; slot++) {
    const kind = world.slotKind[slot];
    if ((kind !== SlotKind.Pin && kind !== SlotKind.LongTerm) || world.slotWindow[slot] === 0 || isInUse(world, slot)) continue;
    for (let place = 0; place < world.slotCount[slot]; place++) {
      const page = world.slotPage[slot] + place;
      const broken = visit(world.slotFrame[slot * slotPages + place] - 1, entryAt(world, world.slotWindow[slot] - 1, page), kind, page);
      if (broken !== undefined) return broken;
    }
  }
  return undefined;
}

/** A short pin of a page that is not anonymous promises nothing; one of an anonymous page, or for long, does. */
const partedPin = (world: AnonymousWorld): string | undefined =>
  forEachPinned(world, (frame, entry, kind, page) => {
    if ((world.frameFlags[frame] & FrameBit.Anon) === 0 && kind !== SlotKind.LongTerm) return undefined;
    const bits = world.entry[entry];
    const target = world.entryTarget[entry] - 1;
    if (isPresent(bits)) return target === frame ? undefined : `page ${page} is frame ${target}, and the pin holds frame ${frame}`;
    return isSwapEntry(bits) ? `page ${page} is in swap, and the pin holds frame ${frame}` : undefined;
  });

const pinnedNotExclusive = (world: AnonymousWorld): string | undefined =>
  forEachPinned(world, (frame, entry, _kind, page) => {
    const { frameFlags } = world;
    if ((frameFlags[frame] & FrameBit.Anon) === 0 || frameFlags[frame] & FrameBit.Exclusive) return undefined;
    return isPresent(world.entry[entry]) ? `frame ${frame} of page ${page} is pinned, and not its mapping's alone` : undefined;
  });

/** Every reference that anybody holds, by the head of its folio. */
export function recountReferences(world: AnonymousWorld): Int32Array {
  const { windows, pages, slots, slotPages, tasks } = world.shape;
  const counts = new Int32Array(framesOf(world.shape));
  const add = (target: number, count = 1): void => {
    if (target > 0 && isCounted(target - 1)) counts[headOf(world, target - 1)] += count;
  };
  const first = (page: number): boolean => page % regionPages(world) === 0;
  for (let window = 0; window < windows; window++) {
    for (let page = 0; page < pages; page++) {
      const at = entryAt(world, window, page);
      add(world.gathered[at]);
      if (!isPresent(world.entry[at])) continue;
      if ((world.table[tableAt(world, window, page)] & TableBit.Pmd) === 0 || first(page)) add(world.entryTarget[at]);
    }
  }
  for (const target of world.cacheFrame) add(target);
  for (const target of world.swapFrame) add(target);
  for (let slot = 0; slot < slots; slot++) {
    for (let place = slot * slotPages; place < slot * slotPages + world.slotCount[slot]; place++) {
      const target = world.slotFrame[place];
      add(target, world.slotKind[slot] === SlotKind.Get || isLarge(world, target - 1) ? 1 : GUP_PIN_COUNTING_BIAS);
    }
  }
  for (let task = 0; task < tasks; task++) {
    add(world.newFrame[task]);
    add(world.oldFrame[task]);
    add(world.zapFrame[task]);
    add(world.grabFrame[task], isLarge(world, world.grabFrame[task] - 1) ? Math.min(1, world.grabbed[task]) : world.grabbed[task]);
  }
  return counts;
}

function miscounted(world: AnonymousWorld): string | undefined {
  const counts = recountReferences(world);
  for (let frame = 1; frame < counts.length; frame++) {
    if (world.frameRefs[frame] !== counts[frame]) return `frame ${frame} counts ${world.frameRefs[frame]} references, and ${counts[frame]} are held`;
    if (counts[frame] === 0 && !isLarge(world, frame) && (world.frameMaps[frame] > 0 || world.frameFlags[frame] !== 0)) return `frame ${frame} is free, and has mappings or flags`;
  }
  return undefined;
}

/** Mappings of the frame that let somebody write. */
function writableTwice(world: AnonymousWorld): string | undefined {
  const { windows, pages } = world.shape;
  const seen = new Map<number, number>();
  for (let window = 0; window < windows; window++) {
    for (let page = 0; page < pages; page++) {
      const at = entryAt(world, window, page);
      if (!isPresent(world.entry[at])) continue;
      const frame = world.entryTarget[at] - 1;
      if ((world.frameFlags[frame] & FrameBit.Exclusive) === 0) continue;
      if (seen.has(frame)) return `frame ${frame} is exclusive, and mapped twice`;
      seen.set(frame, window);
    }
  }
  return undefined;
}

/** An entry of an anonymous page that may be written is the only one; fork is between sharing a page and write-protecting it with the lock of its table. */
function writableShared(world: AnonymousWorld): string | undefined {
  const { windows, pages } = world.shape;
  for (let window = 0; window < windows; window++) {
    for (let page = 0; page < pages; page++) {
      const at = entryAt(world, window, page);
      const bits = world.entry[at];
      if (!isPresent(bits) || (bits & EntryBit.Write) === 0 || world.table[tableAt(world, window, page)] & TableBit.Locked) continue;
      const frame = world.entryTarget[at] - 1;
      if ((world.frameFlags[frame] & (FrameBit.Anon | FrameBit.Exclusive)) === FrameBit.Anon) return `page ${page} of window ${window} may be written, and frame ${frame} is shared`;
    }
  }
  return undefined;
}

function mismapped(world: AnonymousWorld): string | undefined {
  const { windows, pages, hugeFolios } = world.shape;
  const folios = new Int32Array(hugeFolios);
  for (let window = 0; window < windows; window++) {
    for (let page = 0; page < pages; page++) {
      const at = entryAt(world, window, page);
      if (!isPresent(world.entry[at])) continue;
      const frame = world.entryTarget[at] - 1;
      const folio = hugeOf(world, frame);
      if (folio < 0) continue;
      const pmd = (world.table[tableAt(world, window, page)] & TableBit.Pmd) !== 0;
      if (!pmd || page % regionPages(world) === 0) folios[folio]++;
    }
  }
  for (let folio = 0; folio < hugeFolios; folio++) {
    if (world.hugeMaps[folio] < folios[folio]) return `huge folio ${folio} counts ${world.hugeMaps[folio]} mappings, and has ${folios[folio]}`;
  }
  return undefined;
}

/** In the order of a reader's interest. */
export const ANONYMOUS_INVARIANTS: readonly AnonymousInvariant[] = [
  {
    name: 'pin-is-the-page',
    sentence: 'a page that is pinned is the page of the mapping that it was pinned through',
    why: 'who pins a page and who maps it have to see the same memory: registered buffers, RDMA and O_DIRECT read or write what the process does not see otherwise',
    broken: partedPin,
  },
  {
    name: 'pinned-is-exclusive',
    sentence: 'an anonymous page that is pinned belongs to one mapping alone',
    why: 'a shared page is replaced by the next write fault; unpin_user_pages of debug kernels stops where it finds one',
    broken: pinnedNotExclusive,
  },
  {
    name: 'exclusive-once',
    sentence: 'an exclusive page is mapped at most once',
    why: 'PageAnonExclusive lets its mapping be written without a look at any count',
    broken: writableTwice,
  },
  {
    name: 'writable-is-exclusive',
    sentence: 'an anonymous page that may be written is exclusive',
    why: 'what one process writes, no other may see: that is the promise of MAP_PRIVATE',
    broken: writableShared,
  },
  {
    name: 'references-counted',
    sentence: 'a folio counts as many references as are held, and none where it is free',
    why: 'a count that is too low frees memory in use; one that is too high never frees it',
    broken: miscounted,
  },
  {
    name: 'mappings-counted',
    sentence: 'a huge folio counts at least the mappings that it has',
    why: 'whether a large page may be reused is decided by this count',
    broken: mismapped,
  },
];

/** The first sentence that is broken, and how. */
export function brokenAnonymous(world: AnonymousWorld, sentences: readonly AnonymousInvariant[] = ANONYMOUS_INVARIANTS): { readonly name: string; readonly how: string } | undefined {
  for (const { name, broken } of sentences) {
    const how = broken(world);
    if (how !== undefined) return { name, how };
  }
  return undefined;
}
