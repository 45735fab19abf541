/** Changes of the host's mappings: its page-table entries, one by one or a PMD at a time, and its VMAs in both trees. */
import { EntryBit, TableBit, isMigrationEntry } from '../model/entries.ts';
import { Gather } from '../model/tasks.ts';
import { inIMmap, inMm } from '../model/windows.ts';
import type { World } from '../model/world.ts';
import { forEachPage, gained, inWindow, lost } from './changeWords.ts';
import { pagesName } from './pageRuns.ts';

function forEachWindow(world: World, tell: (window: number) => readonly string[]): readonly string[] {
  return Array.from({ length: world.shape.windows }, (_, window) => tell(window)).flat();
}

/** What happened to entries that a CPU or the kernel could meet. */
export function entries(before: World, after: World): readonly string[] {
  const { pages } = after.shape;
  return forEachWindow(after, (window) => [
    ...pmds(before, after, window),
    ...forEachPage(after, (page) => {
      if ((tableBits(before, window, page) | tableBits(after, window, page)) & TableBit.Pmd) return [];
      const [was, is] = [before.entry[window * pages + page], after.entry[window * pages + page]];
      const name = `PTE of page ${page}${inWindow(after, window)}`;
      const isStale = ((is & ~was) & (EntryBit.StaleMunmap | EntryBit.StaleZap)) !== 0;
      return [
        ...(gained(was, is, EntryBit.Present) ? [`${name} ${isMigrationEntry(was) ? 'restored' : is & EntryBit.WriteProtected ? 'set, write-protected' : 'set'}`] : []),
        ...(was & is & EntryBit.Present ? protection(name, was, is) : []),
        ...(lost(was, is, EntryBit.Present) ? [`${name} ${isMigrationEntry(is) ? 'becomes a migration entry' : 'cleared'}${isStale ? ' (stale TLB)' : ''}`] : []),
        ...(isMigrationEntry(was) && (is & (EntryBit.Present | EntryBit.Migration)) === 0 ? [`migration entry of page ${page}${inWindow(after, window)} dropped`] : []),
        ...(gained(was, is, EntryBit.Dirty) ? [`${name} dirty`] : []),
        ...(!isOfPmd(before, window, page) && isFlushed(before, after, window, page) ? [`${name} flushed`] : []),
      ];
    }),
  ]);
}

const tableBits = ({ table, shape: { regionOrder }, sizes: { regions } }: World, window: number, page: number): number => table[window * regions + (page >> regionOrder)];

/** Whether the byte of the page is one of many that stand for a PMD, or for one that has been cleared. */
const isOfPmd = (world: World, window: number, page: number): boolean => (tableBits(world, window, page) & (TableBit.Pmd | TableBit.PmdOfMunmap | TableBit.PmdOfZap)) !== 0;

/** Regions that one entry maps: told once, and not page by page. */
function pmds(before: World, after: World, window: number): readonly string[] {
  const { pages } = after.shape;
  const { regions, regionPages } = after.sizes;
  return Array.from({ length: regions }, (_, region) => {
    const first = region * regionPages;
    if (!isOfPmd(before, window, first) && !isOfPmd(after, window, first)) return [];
    const [was, is] = [tableBits(before, window, first), tableBits(after, window, first)];
    const name = `PMD of ${pagesName(first, regionPages)}${inWindow(after, window)}`;
    const dirtied = Array.from({ length: regionPages }, (__, at) => window * pages + first + at).some((at) => gained(before.entry[at], after.entry[at], EntryBit.Dirty));
    return [
      ...(gained(was, is, TableBit.Pmd) ? [`${name} set`] : []),
      ...(lost(was, is, TableBit.Pmd) ? [`${name} ${is & TableBit.Allocated ? 'split' : 'cleared (stale TLB)'}`] : []),
      ...(was & is & TableBit.Pmd && dirtied ? [`${name} dirty`] : []),
      ...(isFlushed(before, after, window, first) ? [`${name} flushed`] : []),
    ];
  }).flat();
}

const protection = (name: string, was: number, is: number): readonly string[] =>
  (was & EntryBit.WriteProtected) === (is & EntryBit.WriteProtected) ? [] : [`${name} ${is & EntryBit.WriteProtected ? 'write-protected' : 'writable'}`];

/** Whether a gather that has cleared the entry knows since this step that no TLB holds it. */
function isFlushed(before: World, after: World, window: number, page: number): boolean {
  if ((before.entry[window * after.shape.pages + page] & (EntryBit.StaleMunmap | EntryBit.StaleZap)) === 0) return false;
  return before.gather.some(
    (was, task) =>
      was !== Gather.Flushed && after.gather[task] === Gather.Flushed &&
      before.walkWindow[task] === window && page >= before.gatherStart[task] && page < before.gatherEnd[task],
  );
}

/** Which parts of windows have come into a tree, or left it. */
export function vmas(before: World, after: World): readonly string[] {
  return forEachWindow(after, (window) => [
    ...coverage(before, after, window, inMm, 'the mm'),
    ...coverage(before, after, window, inIMmap, 'i_mmap'),
  ]);
}

/** Runs of pages of a window that a tree has gained or lost. */
function coverage(before: World, after: World, window: number, covers: typeof inMm, tree: string): readonly string[] {
  const { pages } = after.shape;
  const told: string[] = [];
  for (let first = 0; first < pages; ) {
    const now = covers(after, window, first);
    let last = first;
    while (last < pages && covers(after, window, last) === now && covers(before, window, last) !== now) last++;
    const over = last - first === pages ? '' : ` over ${pagesName(first, last - first)}`;
    if (last > first) told.push(`VMA${over}${inWindow(after, window)} ${now ? 'enters' : 'leaves'} ${tree}`);
    first = Math.max(last, first + 1);
  }
  return told;
}
