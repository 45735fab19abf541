/**
 * exclusive-pin (P7): converting takes an exclusive pin, which any other pin forbids and which forbids any other pin. Private pages
 * stay mapped.
 *
 * Source: the series "mm/gup: Introduce exclusive GUP pinning" by Elliot Berman and Fuad Tabba, 18 Jun 2024.
 * The hole: FOLL_GET is no pin. A vmsplice, or an O_DIRECT path that still takes gets, neither stops the exclusive pin nor is stopped
 * by it, and its user reads or writes the data.
 * Differs from the series: guest_memfd stands where it has shmem or anonymous memory, so that the same requests can be compared;
 * the exclusive pin is a mark that holds no reference, since nothing of this policy reads a refcount; it is counted by folio, as pins
 * are, and of one owner, so that a large folio may have several private pages and no shared one of them can be pinned.
 */
import { preallocateState, readRangeState, storeState, toSharedSteps, writeLockInvalidate, writeUnlockInvalidate } from '../../model/convert.ts';
import { Errno } from '../../model/errno.ts';
import { PageBit, headOf } from '../../model/file.ts';
import { folioMaybeDmaPinned } from '../../model/folios.ts';
import { endInvalidation, stage2ZapSteps } from '../../model/invalidation.ts';
import { Op } from '../../model/operations.ts';
import { blameHolders } from '../../model/references.ts';
import { Flow, acquire, end, free, freeWhen, goTo, guarded, release, steady } from '../../model/step.ts';
import type { Run, Step } from '../../model/step.ts';
import { TaskFlag } from '../../model/tasks.ts';
import { valueOf } from '../choices.ts';
import type { ConversionPolicy, PolicyChoice } from '../policy.ts';
import { EXCLUSIVE_PIN_MAIL } from '../sources.ts';

const beginRange: Run = (world, task) => {
  world.cursor[task] = world.rangeStart[task];
  return Flow.Next;
};

/**
 * Pins the pages of the chunk exclusively, folio by folio: compares the pin count with nothing and takes it in one atomic operation.
 * Otherwise there are more pages; behind the last one, or behind a folio that somebody has pinned, it goes on.
 */
const pinExclusively: Run = (world, task) => {
  const { pageState, meter } = world;
  const first = world.cursor[task];
  const last = Math.min(first + world.shape.chunk, world.rangeEnd[task]);
  let page = first;
  for (; page < last; page++) {
    const head = headOf(world, page);
    if ((pageState[head] & PageBit.Present) !== 0 && folioMaybeDmaPinned(world, head)) {
      world.flags[task] |= TaskFlag.Refused;
      world.outcome[task] = Errno.EBUSY;
      world.walkCursor[task] = head;
      blameHolders(world, task, head);
      break;
    }
    pageState[page] |= PageBit.ExclusivePin;
  }
  world.cursor[task] = page;
  meter.chargeMany(Op['gup.grab'], page - first);
  return page === last && page < world.rangeEnd[task] ? Flow.Otherwise : Flow.Next;
};

const isPinned: Run = (world, task) => (world.flags[task] & TaskFlag.Refused ? Flow.Otherwise : Flow.Next);

/** Takes back the marks before the cursor, from behind: those of a refused range, or of pages that are private now and need none. */
const dropMarks = (charged: boolean): Run => (world, task) => {
  const last = world.cursor[task];
  const first = Math.max(world.rangeStart[task], last - world.shape.chunk);
  for (let page = first; page < last; page++) world.pageState[page] &= ~PageBit.ExclusivePin;
  if (charged) world.meter.chargeMany(Op['gup.release'], last - first);
  world.cursor[task] = first;
  return first > world.rangeStart[task] ? Flow.Otherwise : Flow.Next;
};

/** A range of which nothing was pinned has nothing to take back. */
const anyPinned: Run = (world, task) => (world.cursor[task] > world.rangeStart[task] ? Flow.Next : Flow.Otherwise);

const toPrivate: readonly Step[] = [
  acquire('invalidate.writeLock', writeLockInvalidate),
  guarded('state.readRange', readRangeState(true), 'invalidate.unlock'),
  free('state.prealloc', preallocateState),
  free('range', beginRange),
  steady('pin.exclusive', pinExclusively, 'pin.exclusive'),
  free('pinned', isPinned, 'refused'),
  ...stage2ZapSteps(),
  steady('state.store', storeState(true)),
  freeWhen('stage2')('seq.end', endInvalidation),
  free('range.end', (world, task) => {
    world.cursor[task] = world.rangeEnd[task];
    return Flow.Next;
  }),
  steady('pin.settle', dropMarks(false), 'pin.settle'),
  goTo('invalidate.unlock'),
  free('refused', anyPinned, 'invalidate.unlock'),
  steady('pin.drop', dropMarks(true), 'pin.drop'),
  release('invalidate.unlock', writeUnlockInvalidate),
  end,
];

/** The page turns shared with the store, and its exclusive pin is no more; what is charged is the unpinning. */
const dropPins: Step = free('pin.drop', (world, task) => {
  world.meter.chargeMany(Op['gup.release'], world.rangeEnd[task] - world.rangeStart[task]);
  return Flow.Next;
});

const MAPPINGS: PolicyChoice<'harmless' | 'reachable'> = {
  name: 'mappings',
  values: ['harmless', 'reachable'],
  default: 'harmless',
  what:
    'what a mapping of a private page is good for. harmless: the platform stops the host (pKVM, Gunyah), an access ends as SIGSEGV; ' +
    'reachable: as on TDX or SNP, where one stray write can take down the machine',
};

export const exclusivePin: ConversionPolicy = {
  name: 'exclusive-pin',
  summary: 'converting takes an exclusive pin: refused while another pin exists, and no other pin while it is held; private pages stay mapped',
  argument: {
    idea:
      'pin the private page with a flag that tolerates no other pin: a FOLL_PIN fails with EBUSY while it is held, and it fails with EBUSY while there is one. ' +
      'Nothing is unmapped, because on pKVM the host\'s own stage-2 stops an access of the VMM and the host survives',
    for: [
      { who: 'Elliot Berman', says: 'it works on memory that a VMM maps today, shmem or anonymous', mail: '18 Jun 2024' },
      { who: 'Fuad Tabba', says: 'what the exclusive pin excludes is the kernel\'s access by a pin; user mappings do no harm on pKVM', mail: '19 Jun 2024' },
    ],
    against: [
      { who: 'John Hubbard', says: 'one bit more than the overloaded refcount of small folios has' },
      { who: 'Christoph Hellwig', says: 'a weird usage model, which may not be supported at all' },
      { who: 'Jason Gunthorpe', says: 'guest_memfd is the place for it, and not GUP' },
      { who: 'David Hildenbrand', says: 'not the common ground; vmsplice and some O_DIRECT take references that are no pins', mail: '20 Jun 2024' },
    ],
    price: 'next to nothing: one atomic operation a page, no walk, no flush and no refault; it holds only where mappings of private pages are harmless, and FOLL_GET goes through it',
    sources: ['linux-mm, "[PATCH RFC 0/5] mm/gup: Introduce exclusive GUP pinning", 18 Jun 2024', EXCLUSIVE_PIN_MAIL],
  },
  family: 'conversion',
  checks: [],
  onRequest: true,
  choices: [MAPPINGS],
  rules: (options) => ({
    toPrivate,
    toShared: toSharedSteps().flatMap((one) => (one.name === 'state.store' ? [one, dropPins] : [one])),
    keeps: 'exclusive-pins',
    mapsPrivate: true,
    mappingsAreHarmless: valueOf(MAPPINGS, options) === 'harmless',
    // The pins in its way are the VMM's own, or those of its devices, and end.
    vmm: { retriesOn: [Errno.EAGAIN, Errno.EBUSY] },
  }),
};
