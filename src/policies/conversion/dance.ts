/**
 * The dance of a VMM whose kernel converts only what no VMA covers: in every process it unmaps the folios before a to-private,
 * and maps again what is shared after a request.
 */
import { outcomeOk } from '../../model/access.ts';
import { EntryBit } from '../../model/entries.ts';
import { PageBit } from '../../model/file.ts';
import { Flow, callRoutine, end, free, goTo, steady } from '../../model/step.ts';
import type { Run, Step } from '../../model/step.ts';
import { WindowFlag } from '../../model/windows.ts';
import { walkWholeFolios } from '../../model/zap.ts';
import type { World } from '../../model/world.ts';
import { askProcess } from './refuseWhileMapped.ts';

/** Windows of forked children are not the VMM's to unmap. */
const ownWindows = ({ shape }: World): number => shape.windows - shape.childWindows;

const startUnmap: Run = (world, task) => {
  world.walkWindow[task] = 0;
  world.askedMm[task] = 0;
  return walkWholeFolios(world, task);
};

const hasWindow: Run = (world, task) => {
  if (world.walkWindow[task] < ownWindows(world)) {
    askProcess(world, task);
    return Flow.Next;
  }
  world.walkWindow[task] = 0;
  return Flow.Otherwise;
};

const nextWindow: Run = (world, task) => {
  world.walkWindow[task]++;
  return Flow.Otherwise;
};

/** Before a to-private: no VMA of any process may cover the folios of the range. */
export const unmapFolios: readonly Step[] = [
  free('dance', startUnmap),
  free('window', hasWindow, 'end'),
  callRoutine('munmap', 'munmapRange'),
  // One that had no room for another VMA ends the dance, and the request.
  free('window.unmapped', outcomeOk, 'end'),
  free('window.next', nextWindow, 'window'),
  end,
];

const startMap: Run = (world, task) => {
  world.walkWindow[task] = 0;
  world.askedMm[task] = 0;
  world.cursor[task] = world.rangeStart[task] & ~(world.sizes.folioPages - 1);
  return Flow.Next;
};

/** First page of [start, end) that is shared, not on its way to private and not covered, or that is not so; else `end`. In a folio of 1 GiB there are many to look at. */
function nextToMap({ pageState, entry, windowFlags, shape: { pages, initShared } }: World, window: number, start: number, end: number, isToMap: boolean): number {
  const flags = windowFlags[window];
  const shared = initShared ? 0 : PageBit.Flipped;
  const mark = (flags & WindowFlag.Linked) === 0 ? 0 : EntryBit.MmMark;
  const uncovered = mark === 0 || flags & WindowFlag.Inverted ? 0 : mark;
  const base = window * pages;
  let page = start;
  while (page < end && ((pageState[page] & (PageBit.Flipped | PageBit.Draining)) === shared && (entry[base + page] & mark) === uncovered) !== isToMap) page++;
  return page;
}

/** Finds the next run of shared pages in the folios of the range that a window does not cover. */
const nextRun: Run = (world, task) => {
  const { folioPages } = world.sizes;
  const start = world.rangeStart[task] & ~(folioPages - 1);
  const last = Math.min(world.shape.pages, (world.rangeEnd[task] + folioPages - 1) & ~(folioPages - 1));
  for (; world.walkWindow[task] < ownWindows(world); world.walkWindow[task]++, world.cursor[task] = start) {
    const window = world.walkWindow[task];
    const first = nextToMap(world, window, world.cursor[task], last, true);
    if (first >= last) continue;
    const after = nextToMap(world, window, first, last, false);
    world.walkStart[task] = first;
    world.walkEnd[task] = after;
    world.cursor[task] = after;
    askProcess(world, task);
    return Flow.Next;
  }
  world.walkWindow[task] = 0;
  return Flow.Otherwise;
};

/** After a request, whatever became of it: what is shared in the folios of the range is mapped again. */
export const mapSharedPages: readonly Step[] = [
  free('dance', startMap),
  steady('run', nextRun, 'end'),
  callRoutine('mmap', 'mmapRange'),
  goTo('run'),
  end,
];
