/**
 * folio-mmapped (P2): no VMA may even cover a private page; user space learns it from an error and not from a signal.
 *
 * The mmap race (the file's hook runs before the VMA is linked) is closed by the SIGBUS of the fault.
 */
import { outcomeOk } from '../../model/access.ts';
import { toSharedSteps } from '../../model/convert.ts';
import { Errno } from '../../model/errno.ts';
import { isPrivate } from '../../model/file.ts';
import { Op } from '../../model/operations.ts';
import { Flow, callRoutine, end, free, goTo, steady } from '../../model/step.ts';
import type { Run, Step } from '../../model/step.ts';
import { inMm, overlaps, treeLevels, vmaCount } from '../../model/windows.ts';
import { walkWholeFolios } from '../../model/zap.ts';
import type { World } from '../../model/world.ts';
import { CHECKS } from '../policy.ts';
import type { ConversionPolicy } from '../policy.ts';
import { FOLIO_MMAPPED_MAIL, LAZY_DONATION_MAIL } from '../sources.ts';
import { COVERED_ERRNO, askProcess, mmapHookSteps, refuseThenCheckSteps } from './refuseWhileMapped.ts';

/** folio_mmapped(): a search in i_mmap that stops at the first VMA which overlaps the folios. */
function folioMmappedNow(world: World, task: number): boolean {
  world.meter.chargeMany(Op['vma.lookup'], treeLevels(vmaCount(world)));
  for (let window = 0; window < world.shape.windows; window++) {
    if (!overlaps(world, window, world.walkStart[task], world.walkEnd[task])) continue;
    world.meter.charge(Op['vma.visit']);
    return true;
  }
  return false;
}

function holdsPrivatePage(world: World, task: number): boolean {
  for (let page = world.walkStart[task]; page < world.walkEnd[task]; page++) if (isPrivate(world, page)) return true;
  return false;
}

/* ---- the VMM's dance: in every process, window by window ---- */

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
const unmapFolios: readonly Step[] = [
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

/** Finds the next run of shared pages in the folios of the range that a window does not cover. */
const nextRun: Run = (world, task) => {
  const { folioPages } = world.sizes;
  const start = world.rangeStart[task] & ~(folioPages - 1);
  const last = Math.min(world.shape.pages, (world.rangeEnd[task] + folioPages - 1) & ~(folioPages - 1));
  for (; world.walkWindow[task] < ownWindows(world); world.walkWindow[task]++, world.cursor[task] = start) {
    const window = world.walkWindow[task];
    let first = world.cursor[task];
    while (first < last && (isPrivate(world, first) || inMm(world, window, first))) first++;
    if (first >= last) continue;
    let after = first;
    while (after < last && !isPrivate(world, after) && !inMm(world, window, after)) after++;
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
const mapSharedPages: readonly Step[] = [
  free('dance', startMap),
  steady('run', nextRun, 'end'),
  callRoutine('mmap', 'mmapRange'),
  goTo('run'),
  end,
];

export const folioMmapped: ConversionPolicy = {
  name: 'folio-mmapped',
  summary: 'refuse to convert while any VMA covers the folio, refuse new mmaps over private pages; the VMM unmaps and maps again',
  argument: {
    idea:
      'look in i_mmap for any VMA that overlaps the folio and refuse while there is one (EPERM, as Gunyah\'s driver did); refuse new mmaps over private pages. ' +
      'The kernel unmaps nothing: the VMM unmaps first and maps again later',
    for: [
      { who: 'Elliot Berman', says: 'an early error in place of a signal that crashes user space', mail: '27 Feb 2024' },
      { who: 'Quentin Perret', says: 'deterministic, whatever the guest\'s faults do', mail: '28 Feb 2024' },
    ],
    against: [{ who: 'David Hildenbrand', says: 'more complicated, and an rmap walk on every conversion', mail: '27 Feb 2024' }],
    price: 'the lookup stops at the first hit and is cheap; the dance is not: munmap and mmap in every process, VMAs that split to one a page',
    sources: [FOLIO_MMAPPED_MAIL, LAZY_DONATION_MAIL],
  },
  family: 'conversion',
  checks: CHECKS,
  rules: ({ check }) => ({
    toPrivate: refuseThenCheckSteps({ check, mappingForbids: folioMmappedNow, errno: COVERED_ERRNO }),
    toShared: toSharedSteps(),
    mmapHook: mmapHookSteps({ privacyForbids: holdsPrivatePage, errno: COVERED_ERRNO }),
    vmm: {
      mapsAtStart: { private: 'none', shared: 'full' },
      beforeToPrivate: { steps: unmapFolios },
      afterRequest: { steps: mapSharedPages },
      // Another thread of the VMM may map the folio again between the dance and the ioctl: the dance is done once more.
      retriesOn: [Errno.EAGAIN, COVERED_ERRNO],
    },
  }),
};
