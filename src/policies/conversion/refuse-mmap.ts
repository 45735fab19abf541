/**
 * refuse-mmap (P3): no mmap of the file while any page is private, no page private while the file is mapped.
 */
import { toSharedSteps } from '../../model/convert.ts';
import { Errno } from '../../model/errno.ts';
import { privatePages } from '../../model/file.ts';
import { Flow, callRoutine, end, free, goTo, steady } from '../../model/step.ts';
import type { Run, Step } from '../../model/step.ts';
import { WindowFlag } from '../../model/windows.ts';
import type { World } from '../../model/world.ts';
import { valueOf } from '../choices.ts';
import { CHECKS } from '../policy.ts';
import type { ConversionPolicy, PolicyChoice } from '../policy.ts';
import { FOLIO_MMAPPED_MAIL } from '../sources.ts';
import { askProcess, mmapHookSteps, refuseThenCheckSteps } from './refuseWhileMapped.ts';

const ERRNO: PolicyChoice<'EBUSY' | 'EPERM'> = {
  name: 'errno',
  values: ['EBUSY', 'EPERM'],
  default: 'EBUSY',
  what: 'what a conversion of a mapped file and an mmap of a file with private pages fail with',
};

/** mapping_mapped(): i_mmap is not empty. */
function fileIsMapped(world: World): boolean {
  for (let window = 0; window < world.shape.windows; window++) if (world.windowFlags[window] & WindowFlag.InIMmap) return true;
  return false;
}

/* ---- the VMM unmaps everything before a to-private; where nothing is mapped it has nothing to do ---- */

const startDance: Run = (world, task) => {
  world.walkWindow[task] = 0;
  world.askedMm[task] = 0;
  world.walkStart[task] = 0;
  world.walkEnd[task] = world.shape.pages;
  return Flow.Next;
};

const nextMapped: Run = (world, task) => {
  const own = world.shape.windows - world.shape.childWindows;
  for (let window = world.walkWindow[task]; window < own; window++) {
    if ((world.windowFlags[window] & WindowFlag.Linked) === 0) continue;
    world.walkWindow[task] = window;
    askProcess(world, task);
    return Flow.Next;
  }
  world.walkWindow[task] = 0;
  return Flow.Otherwise;
};

const unmapAll: readonly Step[] = [
  free('dance', startDance),
  steady('window', nextMapped, 'end'),
  callRoutine('munmap', 'munmapRange'),
  goTo('window'),
  end,
];

export const refuseMmap: ConversionPolicy = {
  name: 'refuse-mmap',
  summary: 'no mmap of the file while any page is private, no page private while the file is mapped',
  argument: {
    idea: 'one count of private pages a file; mmap fails while it is not zero, and the first to-private needs an empty i_mmap: trivially deterministic',
    for: [],
    against: [{ who: 'David Hildenbrand', says: 'likely not what you want: sharing one page back (virtio) needs all of the guest\'s memory to be shared', mail: '27 Feb 2024' }],
    price: 'none per conversion; what it costs shows in the work that does not get done',
    sources: [FOLIO_MMAPPED_MAIL],
  },
  family: 'conversion',
  checks: CHECKS,
  choices: [ERRNO],
  rules: (options) => {
    const errno = Errno[valueOf(ERRNO, options)];
    return {
      toPrivate: refuseThenCheckSteps({ check: options.check, mappingForbids: fileIsMapped, errno }),
      toShared: toSharedSteps(),
      mmapHook: mmapHookSteps({ privacyForbids: (world) => privatePages(world) > 0, errno }),
      vmm: {
        mapsAtStart: { private: 'none', shared: 'full' },
        beforeToPrivate: { steps: unmapAll },
        remapsOnAccess: true,
      },
    };
  },
};
