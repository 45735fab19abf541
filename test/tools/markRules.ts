/** What a mark allows a step to touch, as far as it depends on the columns of a family's world. */
import { TableBit } from '../../src/model/entries.ts';
import { PageBit } from '../../src/model/file.ts';
import { TableBit as MemoryTableBit } from '../../src/model/memory/entries.ts';
import { FrameBit } from '../../src/model/memory/frames.ts';
import { Gather, TaskFlag } from '../../src/model/tasks.ts';
import type { TaskWorld } from '../../src/model/taskWorld.ts';
import type { World } from '../../src/model/world.ts';

export interface MarkRules {
  /** Bits of a task's flags that others read or set. */
  readonly sharedFlags: number;
  /** Columns of a task that others read or write while it goes on. */
  readonly sharedColumns: ReadonlySet<string>;
  /** Where it walks, and whether others look there: they do while the task walks. */
  readonly walkColumns: ReadonlySet<string>;
  readonly walks: (world: TaskWorld, task: number) => boolean;
  /** Locks that are a word, and those that are bits of a word. */
  readonly lockWords: ReadonlySet<string>;
  readonly lockBits: Readonly<Record<string, number>>;
  /** What a step may read beside what its mark says, and why nobody can tell. */
  readonly alsoReads: readonly { readonly step: RegExp; readonly columns: readonly string[]; readonly because: string }[];
}

const OF_CONVERSIONS: MarkRules = {
  sharedFlags: TaskFlag.IrqOff | TaskFlag.InGuestFault | TaskFlag.SawInvalidation,
  // Its mm, its calls, its gather and its notifier.
  sharedColumns: new Set(['mm', 'callPending', 'callKind', 'callCount', 'gather', 'gatherStart', 'gatherEnd', 'notifying', 'pc', 'depth']),
  walkColumns: new Set(['walkWindow', 'walkStart', 'walkEnd']),
  walks: (world, task) => {
    const { gather, notifying } = world as World;
    return gather[task] !== Gather.None || notifying[task] !== 0;
  },
  lockWords: new Set(['mmapLock', 'invalidateLock', 'iMmapLock', 'mmuLock']),
  lockBits: { table: TableBit.Locked, pageState: PageBit.Locked | PageBit.Migrating },
  alsoReads: [
    { step: /^(munmapRange|mmapRange|mmapWindow)\.(mmapLock|walk)|^beforeToPrivate\.window$/, columns: ['windowMm'], because: 'the process of a window is the same for ever; a forked child has windows of its own' },
    { step: /\.folio\.(lock|unlock)$/, columns: ['folioSplit'], because: 'who locks a folio has a reference on it, and a split waits for that' },
    { step: /\.iMmap\.readLock$/, columns: ['windowFlags', 'windowVmas'], because: 'they say what the search in i_mmap costs, and nothing else' },
    { step: /\.folio\.(lock|unlock|unlockLost)$/, columns: ['folioSplit'], because: 'whoever locks or unlocks a folio has a reference on it, or invalidate_lock: it is neither split nor merged meanwhile' },
  ],
};

/** Worlds of processes. */
const OF_MEMORY: MarkRules = {
  sharedFlags: TaskFlag.IrqOff,
  sharedColumns: new Set(['mm', 'callPending', 'callKind', 'callCount', 'pc', 'depth']),
  walkColumns: new Set(),
  walks: () => false,
  lockWords: new Set(['mmapLock', 'rmapLock', 'invalidateLock', 'inodeLock']),
  lockBits: { table: MemoryTableBit.Locked, frameFlags: FrameBit.Locked },
  alsoReads: [
    { step: /\b(folio|page|frame)\.(lock|unlock)/i, columns: ['hugeSplit'], because: 'who locks a folio has a reference on it, and a split waits for that' },
    { step: /^gup\.taken$/, columns: ['slotCount'], because: 'a buffer that is being filled is its filler\'s: everybody else waits for it' },
  ],
};

export const markRulesOf = (family: string): MarkRules => (family === 'conversion' ? OF_CONVERSIONS : OF_MEMORY);
