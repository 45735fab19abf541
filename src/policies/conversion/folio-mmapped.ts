/**
 * folio-mmapped (P2): no VMA may even cover a private page; user space learns it from an error and not from a signal.
 */
import { toSharedSteps } from '../../model/convert.ts';
import { Errno } from '../../model/errno.ts';
import { isPrivate } from '../../model/file.ts';
import { Op } from '../../model/operations.ts';
import { overlaps, treeLevels, vmaCount } from '../../model/windows.ts';
import type { World } from '../../model/world.ts';
import { valueOf } from '../choices.ts';
import { CHECKS } from '../policy.ts';
import type { ConversionPolicy, PolicyChoice } from '../policy.ts';
import { FOLIO_MMAPPED_MAIL, LAZY_DONATION_MAIL } from '../sources.ts';
import { mapSharedPages, unmapFolios } from './dance.ts';
import { mmapHookSteps, refuseThenCheckSteps } from './refuseWhileMapped.ts';

const ERRNO: PolicyChoice<'EPERM' | 'EBUSY'> = {
  name: 'errno',
  values: ['EPERM', 'EBUSY'],
  default: 'EPERM',
  what: 'what a conversion of a covered page and an mmap of a private one fail with; Gunyah\'s driver answered EPERM',
};
const CLOSURE: PolicyChoice<'backstop' | 'lock'> = {
  name: 'closure',
  values: ['backstop', 'lock'],
  default: 'backstop',
  what:
    'what closes the mmap race (the file\'s hook runs before the VMA is linked): backstop, the SIGBUS of the fault; ' +
    'or lock, invalidate_lock held for reading from the hook\'s check to the link, which takes a change of core-mm',
};

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

export const folioMmapped: ConversionPolicy = {
  name: 'folio-mmapped',
  summary: 'refuse to convert while any VMA covers the folio, refuse new mmaps over private pages; the VMM unmaps and maps again',
  argument: {
    idea:
      'look in i_mmap for any VMA that overlaps the folio and refuse while there is one; refuse new mmaps over private pages. ' +
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
  choices: [ERRNO, CLOSURE],
  rules: (options) => {
    const errno = Errno[valueOf(ERRNO, options)];
    const holdsLock = valueOf(CLOSURE, options) === 'lock';
    return {
      toPrivate: refuseThenCheckSteps({ check: options.check, mappingForbids: folioMmappedNow, errno }),
      toShared: toSharedSteps(),
      mmapHook: mmapHookSteps({ privacyForbids: holdsPrivatePage, errno, holdsLock }),
      ...(holdsLock ? { locksUntilLinked: true } : {}),
      vmm: {
        mapsAtStart: { private: 'none', shared: 'full' },
        beforeToPrivate: { steps: unmapFolios },
        afterRequest: { steps: mapSharedPages },
        // Another thread of the VMM may map the folio again between the dance and the ioctl: the dance is done once more.
        retriesOn: [Errno.EAGAIN, errno],
      },
    };
  },
};
