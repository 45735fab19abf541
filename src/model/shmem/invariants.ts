/**
 * Sentences that hold in every reachable state of this world, whatever the policy; each finds what breaks it. Invariants only read.
 */
import { DEPTH_MAX } from '../step.ts';
import { EntryBit, TableBit } from '../memory/entries.ts';
import { FrameBit, ZERO_FRAME } from '../memory/frames.ts';
import { GUP_PIN_COUNTING_BIAS } from '../folios.ts';
import { SlotKind } from '../memory/slots.ts';
import { Backing } from '../memory/windows.ts';
import { regionsOf } from '../memory/shape.ts';
import { isKept, maps } from './kept.ts';
import { Userfault, Zapped } from './world.ts';
import type { ShmemWorld } from './world.ts';

export interface ShmemInvariant {
  readonly name: string;
  readonly sentence: string;
  /** What it protects from. */
  readonly why: string;
  /** @returns what is violated, with numbers, or undefined */
  readonly broken: (world: ShmemWorld) => string | undefined;
}

/** References and mappings of each frame, counted again from who has them. */
function recount(world: ShmemWorld): { readonly refs: Int32Array; readonly maps: Int32Array } {
  const refs = new Int32Array(world.frameRefs.length);
  const mapped = new Int32Array(refs.length);
  for (let at = 0; at < world.entry.length; at++) {
    if (maps(world.entry[at], world.entryTarget[at])) {
      refs[world.entryTarget[at] - 1]++;
      mapped[world.entryTarget[at] - 1]++;
    }
    if (world.gathered[at] === 0) continue;
    refs[world.gathered[at] - 1]++;
    if ((world.zapped[at] & Zapped.Unmapped) === 0) mapped[world.gathered[at] - 1]++;
  }
  for (const frame of world.cacheFrame) if (frame !== 0) refs[frame - 1]++;
  for (let task = 0; task < world.shape.tasks; task++) {
    if (world.newFrame[task] !== 0) refs[world.newFrame[task] - 1]++;
    if (world.oldFrame[task] !== 0) refs[world.oldFrame[task] - 1]++;
  }
  for (let slot = 0; slot < world.shape.slots; slot++) {
    if (world.slotKind[slot] === SlotKind.LongTerm) refs[world.slotFrame[slot * world.shape.slotPages] - 1] += GUP_PIN_COUNTING_BIAS;
  }
  refs[ZERO_FRAME] = 0;
  mapped[ZERO_FRAME] = 0;
  return { refs, maps: mapped };
}

function firstDifference(what: string, found: ArrayLike<number>, expected: ArrayLike<number>): string | undefined {
  for (let at = 0; at < found.length; at++) if (found[at] !== expected[at]) return `${what} ${at} is ${found[at]}, counted ${expected[at]}`;
  return undefined;
}

function countsKept(world: ShmemWorld): string | undefined {
  const { pages, regionOrder } = world.shape;
  const counted = new Uint16Array(world.tableKept.length);
  const regions = regionsOf(world.shape);
  for (let at = 0; at < world.entry.length; at++) {
    if (isKept(world.entry[at], world.entryTarget[at])) counted[Math.floor(at / pages) * regions + ((at % pages) >> regionOrder)]++;
  }
  return firstDifference('the count of kept entries of page table', world.tableKept, counted);
}

function protectedAndWritable(world: ShmemWorld): string | undefined {
  const both = EntryBit.UffdWp | EntryBit.Write;
  const at = world.entry.findIndex((bits) => (bits & both) === both);
  return at < 0 ? undefined : `entry ${at} is write-protected and may be written`;
}

function entriesWithoutVma(world: ShmemWorld): string | undefined {
  const { pages } = world.shape;
  const at = world.entry.findIndex((bits, place) => (bits & (EntryBit.Present | EntryBit.Type)) !== 0 && world.windowBacking[Math.floor(place / pages)] === Backing.None);
  return at < 0 ? undefined : `entry ${at} stands in a window that is not mapped`;
}

/** A page that a window maps is the file's page at that place, unless a hole took it, and then nobody may map it any more. */
function mapsWhatIsGone(world: ShmemWorld): string | undefined {
  const { pages, windows } = world.shape;
  for (let window = 0; window < windows; window++) {
    if (world.windowBacking[window] !== Backing.FileShared) continue;
    for (let page = 0; page < pages; page++) {
      const at = window * pages + page;
      if (!maps(world.entry[at], world.entryTarget[at]) || world.entryTarget[at] === world.cacheFrame[page]) continue;
      return `entry ${at} maps frame ${world.entryTarget[at] - 1}, and the page cache has ${world.cacheFrame[page] - 1} there`;
    }
  }
  return undefined;
}

function twice(world: ShmemWorld): string | undefined {
  const page = world.swapped.findIndex((is, at) => is !== 0 && world.cacheFrame[at] !== 0);
  return page < 0 ? undefined : `page ${page} is in swap and in the page cache`;
}

function lockedByNobody(world: ShmemWorld): string | undefined {
  for (let task = 0; task < world.shape.tasks; task++) if (world.pc[task * DEPTH_MAX] !== 0) return undefined;
  const table = world.table.findIndex((bits) => (bits & TableBit.Locked) !== 0);
  if (table >= 0) return `page table ${table} is locked, and nobody is at work`;
  const frame = world.frameFlags.findIndex((flags) => (flags & FrameBit.Locked) !== 0);
  if (frame >= 0) return `the folio in frame ${frame} is locked, and nobody is at work`;
  const sleeper = world.userfault.findIndex((state) => state !== Userfault.None);
  return sleeper < 0 ? undefined : `task ${sleeper} is in a userfault, and nobody is at work`;
}

export const SHMEM_INVARIANTS: readonly ShmemInvariant[] = [
  {
    name: 'references',
    sentence: 'the references of a frame are those of entries, page cache, pins and tasks',
    why: 'one too few frees memory that is in use; a kept entry must hold none',
    broken: (world) => firstDifference('refcount of frame', world.frameRefs, recount(world).refs),
  },
  {
    name: 'mappings',
    sentence: 'the mapping count of a frame is the number of entries that map it',
    why: 'reclaim and truncation decide by it; a kept entry must count for none',
    broken: (world) => firstDifference('mapcount of frame', world.frameMaps, recount(world).maps),
  },
  {
    name: 'kept-entries',
    sentence: 'what the gauges count as kept are the entries that map nothing',
    why: 'the memory that a policy pays is counted by it',
    broken: countsKept,
  },
  {
    name: 'protected-is-read-only',
    sentence: 'no entry is write-protected and writable at once',
    why: 'a write through it would be heard of by nobody',
    broken: protectedAndWritable,
  },
  {
    name: 'no-entry-without-window',
    sentence: 'no entry stands where no window is',
    why: 'a kept entry that outlives its window would protect the memory of the next',
    broken: entriesWithoutVma,
  },
  {
    name: 'maps-the-file',
    sentence: 'what a window of the file maps is what the page cache has there',
    why: 'a write to any other page is lost to the file',
    broken: mapsWhatIsGone,
  },
  {
    name: 'swap-or-cache',
    sentence: 'a page of the file is in swap or in the page cache, never in both',
    why: 'one of the two would be stale',
    broken: twice,
  },
  {
    name: 'nothing-left-behind',
    sentence: 'where nobody is at work nothing is locked and nobody sleeps',
    why: 'nobody would ever wake them',
    broken: lockedByNobody,
  },
];
