/**
 * Accesses: what the guest, the host's CPUs and the kernel on behalf of a process do to single pages.
 *
 * Routines: `guestAccess` (with the stage-2 fault), `hostRead` and `hostWrite` (with the host fault), `copy` and its
 * `copyRange` (read/write through the mapping: an error in place of a signal). Source: arch/x86/kvm/mmu (kvm_tdp_mmu_page_fault, mmu_invalidate_retry).
 */
import { deliverContent, deliverGuestContent, storeContent, storeGuestContent } from './content.ts';
import { guestWaitSteps, usableStep } from './draining.ts';
import { EntryBit } from './entries.ts';
import { Errno } from './errno.ts';
import { noteReach, noteWrite } from './exposure.ts';
import { clearFolioStep, getFolioSteps, putFolio, readLockInvalidate, readLockMmap, readUnlockInvalidate, readUnlockMmap, unlockFolio } from './fault.ts';
import { PageBit, isPrivate } from './file.ts';
import { LockClass, acquireWrite, releaseWrite } from './locks.ts';
import { Event } from './meter.ts';
import { Op } from './operations.ts';
import { wasPmd } from './pmd.ts';
import { findPrivateSteps, putEither, sideStep } from './privatePages.ts';
import { Leaf, largeLeafOf, setLeaf } from './stage2.ts';
import type { LeafKind } from './stage2.ts';
import { Flow, acquire, acquireUnless, callRoutine, end, free, freeWhen, goTo, release, releaseUnless, steady } from './step.ts';
import type { FlowKind, Run, Step } from './step.ts';
import { Gather, Kind, TaskFlag } from './tasks.ts';
import type { World } from './world.ts';

export const complete: Run = (world) => {
  world.meter.note(Op['access.done']);
  return Flow.Done;
};

export const fail: Run = (world) => {
  world.meter.note(Op['access.failed']);
  return Flow.Done;
};

/* ---- the guest ---- */

/** The stage-2 leaf that a guest access goes through, none where it is a fault. What it costs is charged apart (`chargeGuestHits`), so that an engine can take many at once. */
export function reachesGuest(world: World, page: number): LeafKind {
  const state = world.pageState[page];
  const leaf = (state & PageBit.Leaf) !== 0 ? Leaf.Small : largeLeafOf(world, page);
  if (leaf !== Leaf.None && state & PageBit.Degraded) world.meter.note(Op['access.degraded']);
  return leaf;
}

/** What a walk of the tables to a leaf is charged as, by `Leaf`. */
export const WALK_OPS: readonly number[] = [0, Op['guest.tlbMiss4K'], Op['guest.tlbMiss2M'], Op['guest.tlbMiss1G']];

export function chargeGuestHits(world: World, count: number): void {
  world.meter.chargeMany(Op['guest.access'], count);
  world.meter.noteMany(Op['access.done'], count);
  world.meter.noteMany(Op['work.done'], count);
}

const guestAccess: Run = (world, task) => {
  const page = world.page[task];
  const leaf = reachesGuest(world, page);
  if (leaf === Leaf.None) {
    world.meter.raise(Event.GuestFaultBegin);
    return Flow.Next;
  }
  chargeGuestHits(world, 1);
  if (world.meter.guestTlb?.misses(task, page, leaf)) world.meter.charge(WALK_OPS[leaf]);
  if (world.kind[task] === Kind.GuestRead) deliverGuestContent(world, page);
  else storeGuestContent(world, task, page);
  return Flow.Done;
};

const exitToFault: Run = (world) => {
  world.meter.charge(Op['vm.exit']);
  world.meter.charge(Op['stage2.fault']);
  return Flow.Next;
};

/** Remembers that no invalidation has been seen; a later one makes the fault start again (mmu_invalidate_retry). */
const takeSnapshot: Run = (world, task) => {
  world.flags[task] = (world.flags[task] & ~TaskFlag.SawInvalidation) | TaskFlag.InGuestFault;
  return Flow.Next;
};

/** Lazy runs: a shared page that the guest did not ask to share is donated first. */
const needsNoDonation: Run = (world, task) => {
  const page = world.page[task];
  const state = world.pageState[page];
  world.meter.charge(Op['state.read']);
  return isPrivate(world, page) || state & (PageBit.Asked | PageBit.Degraded) ? Flow.Next : Flow.Otherwise;
};

const unlockToDonate: Run = (world, task) => {
  world.flags[task] = (world.flags[task] & ~TaskFlag.InGuestFault) | TaskFlag.Donation;
  world.rangeStart[task] = world.page[task];
  world.rangeEnd[task] = world.page[task] + 1;
  return readUnlockInvalidate(world, task);
};

export const writeLockMmu: Run = (world, task) => {
  const flow = acquireWrite(world, task, world.mmuLock, 0, LockClass.Mmu);
  if (flow === Flow.Next) world.meter.charge(Op['lock.mmu']);
  return flow;
};

export const writeUnlockMmu: Run = (world, task) => {
  releaseWrite(world, task, world.mmuLock, 0, LockClass.Mmu);
  return Flow.Next;
};

const checkSnapshot: Run = (world, task) =>
  world.invalidating[0] !== 0 || world.flags[task] & TaskFlag.SawInvalidation ? Flow.Otherwise : Flow.Next;

const mapStage2: Run = (world, task) => {
  world.meter.charge(Op['stage2.map']);
  setLeaf(world, world.page[task]);
  world.flags[task] &= ~TaskFlag.InGuestFault;
  return Flow.Next;
};

const resumeGuest: Run = (world) => {
  world.meter.raise(Event.GuestFaultEnd);
  return Flow.Otherwise;
};

/**
 * Routine: a guest access to `page`; a miss is a stage-2 fault.
 * @param drains pages may be in the state that ends with a put callback
 * @param separate private pages have a memory of their own (`Shape.keeps`)
 */
export function guestAccessSteps({ lazy, drains = false, separate = false }: { readonly lazy: boolean; readonly drains?: boolean; readonly separate?: boolean }): readonly Step[] {
  const put = separate ? putEither(putFolio) : putFolio;
  return [
    steady('guest.access', guestAccess),
    free('vm.exit', exitToFault),
    steady('seq.snapshot', takeSnapshot),
    ...(separate ? [sideStep] : []),
    acquire('invalidate.readLock', readLockInvalidate),
    ...(drains ? [usableStep('invalidate.readUnlockToWait')] : []),
    freeWhen('wishes')('state.read', lazy ? needsNoDonation : readState, 'invalidate.readUnlockToDonate'),
    ...getFolioSteps(),
    release('invalidate.readUnlock', readUnlockInvalidate),
    clearFolioStep,
    release('folio.unlock', unlockFolio),
    acquireUnless('stage2')('mmuLock.write', writeLockMmu),
    steady('seq.check', checkSnapshot, 'mmuLock.unlockRetry'),
    steady('stage2.map', mapStage2),
    releaseUnless('stage2')('mmuLock.unlock', writeUnlockMmu),
    steady('folio.put', put),
    free('vm.enter', resumeGuest, 'guest.access'),
    releaseUnless('stage2')('mmuLock.unlockRetry', writeUnlockMmu),
    steady('folio.putRetry', put),
    goTo('seq.snapshot'),
    steady('invalidate.readUnlockToDonate', unlockToDonate),
    callRoutine('donate', 'convertRequest'),
    goTo('seq.snapshot'),
    ...(drains ? guestWaitSteps('seq.snapshot') : []),
    ...(separate ? findPrivateSteps('mmuLock.write') : []),
  ];
}

const readState: Run = (world) => {
  world.meter.charge(Op['state.read']);
  return Flow.Next;
};

/* ---- the host ---- */

/** Whether a host access goes through a present entry, which it marks dirty; what it costs is charged apart (`chargeHostHits`). */
export function reachesHost(world: World, window: number, page: number, write: boolean): boolean {
  if (page >= world.shape.pages) return false;
  const at = window * world.shape.pages + page;
  const bits = world.entry[at];
  if ((bits & EntryBit.Present) === 0) return false;
  if (world.shape.mappingsAreHarmless && isPrivate(world, page)) return false;
  if (write) {
    if (bits & EntryBit.WriteProtected) return false;
    if ((bits & EntryBit.Dirty) === 0) world.entry[at] = bits | EntryBit.Dirty;
    noteWrite(world, page);
  }
  noteReach(world, page);
  return true;
}

export function chargeHostHits(world: World, count: number): void {
  world.meter.chargeMany(Op['host.access'], count);
  world.meter.noteMany(Op['access.done'], count);
  world.meter.noteMany(Op['work.done'], count);
}

/** Reaches the page through the entry, or through a stale TLB entry; otherwise a fault. */
function touchThroughMapping(world: World, task: number, write: boolean): boolean {
  const page = world.page[task];
  const window = world.window[task];
  if (!reachesHost(world, window, page, write)) {
    if (page >= world.shape.pages || !staleReach(world, task, world.entry[window * world.shape.pages + page], write)) return false;
    noteReach(world, page);
  }
  world.meter.charge(Op['host.access']);
  if (write) storeContent(world, task, page);
  else deliverContent(world, page);
  return true;
}

/** Whether this CPU may still hold a TLB entry that a gather has cleared and not flushed here. A clean one permits reads only. */
function staleReach(world: World, task: number, bits: number, write: boolean): boolean {
  if ((bits & (EntryBit.StaleMunmap | EntryBit.StaleZap)) === 0) return false;
  if (world.shape.mappingsAreHarmless && isPrivate(world, world.page[task])) return false;
  // A migration entry and a PMD remember that they were dirty; of others the delayed mapping count tells.
  const remembers = (bits & EntryBit.Migration) !== 0 || (world.shape.pmdMappings && wasPmd(world, world.window[task], world.page[task]));
  if (write && (bits & (remembers ? EntryBit.Dirty : EntryBit.RmapDelayed)) === 0) return false;
  const { cpus } = world.shape;
  const page = world.page[task];
  for (let other = 0; other < cpus; other++) {
    const gather = world.gather[other];
    if (gather === Gather.None || gather === Gather.Flushed) continue;
    if (world.walkWindow[other] !== world.window[task] || page < world.gatherStart[other] || page >= world.gatherEnd[other]) continue;
    if (gather === Gather.Pending || world.callPending[other * cpus + task] !== 0) return true;
  }
  return false;
}

const hostAccess = (write: boolean): Run => (world, task) => {
  if (!touchThroughMapping(world, task, write)) return Flow.Next;
  world.meter.note(Op['work.done']);
  world.meter.note(Op['access.done']);
  return Flow.Done;
};

export const enterHostFault: Run = (world) => {
  world.meter.raise(Event.HostFaultBegin);
  world.meter.charge(Op['host.fault']);
  return Flow.Next;
};

/** Otherwise the fault ended in a signal or an error. */
export const faultResult: Run = (world, task) => {
  if (world.outcome[task] !== Errno.OK) return Flow.Otherwise;
  world.meter.raise(Event.HostFaultEnd);
  return Flow.Next;
};

/**
 * The page-table entry is good, and the host's own stage-2 has no entry: the hypervisor gives the abort back to the host. SIGSEGV
 * and not SIGBUS, because what is missing is a right and not the memory (SEGV_ACCERR); in a copy by the kernel it is an error.
 */
const abortPrivate: Run = (world, task) => {
  const page = world.page[task];
  const { pages } = world.shape;
  if (page >= pages || !isPrivate(world, page) || (world.entry[world.window[task] * pages + page] & EntryBit.Present) === 0) return Flow.Otherwise;
  world.outcome[task] = Errno.SIGSEGV;
  return Flow.Next;
};

/** Steps behind an access that reached nothing: at `refused` where the platform stopped it, else at `host.fault`. */
const abortSteps = (refused: string): readonly Step[] => [steady('stage2.abort', abortPrivate, 'host.fault'), goTo(refused)];

const deliverSignal: Run = (world, task) => {
  world.meter.charge(Op.signal);
  world.meter.note(world.outcome[task] === Errno.SIGSEGV ? Op['signal.SIGSEGV'] : Op['signal.SIGBUS']);
  world.meter.note(Op['access.failed']);
  return Flow.Done;
};

/**
 * Routine: a load or store of `page` through `window` by a thread of the VMM.
 * @param remap the VMM's way to get a mapping where it has none (`refuse-mmap`); leaves `outcome`
 * @param aborts see `Shape.mappingsAreHarmless`
 */
export function hostAccessSteps({ write, remap, aborts }: { readonly write: boolean; readonly remap: boolean; readonly aborts: boolean }): readonly Step[] {
  return [
    ...(remap ? remapSteps('host.access', 'mmap.failed') : []),
    steady('host.access', hostAccess(write)),
    ...(aborts ? abortSteps('signal') : []),
    free('host.fault', enterHostFault),
    acquireUnless('vmas')('mmapLock.read', readLockMmap),
    callRoutine('fault', 'faultCore'),
    releaseUnless('vmas')('mmapLock.readUnlock', readUnlockMmap),
    free('fault.result', faultResult, 'signal'),
    goTo('host.access'),
    free('signal', deliverSignal),
    ...(remap ? [free('mmap.failed', fail)] : []),
  ];
}

/** Otherwise the window has a VMA, or is about to lose its last one: the VMM has nothing to map. */
const ifUnmapped: Run = (world, task) => (world.windowFlags[world.window[task]] === 0 ? Flow.Next : Flow.Otherwise);
export const outcomeOk: Run = (world, task): FlowKind => (world.outcome[task] === Errno.OK ? Flow.Next : Flow.Otherwise);

/** Maps the window of the task where it is unmapped. Goes on behind them, at `mapped` where it was mapped already, or at `failed`. */
export function remapSteps(mapped: string, failed: string): readonly Step[] {
  return [steady('mapped', ifUnmapped, mapped), callRoutine('remap', 'mmapWindow'), free('remapped', outcomeOk, failed)];
}

/* ---- the kernel on behalf of a process: read(2) and write(2) into guest memory ---- */

const beginCopy: Run = (world, task) => {
  world.meter.raise(Event.IoBegin);
  world.meter.charge(Op.syscall);
  world.page[task] = world.rangeStart[task];
  return Flow.Next;
};

const copyPage: Run = (world, task) => {
  if (!touchThroughMapping(world, task, true)) return Flow.Next;
  world.meter.charge(Op['page.copy']);
  if (world.kind[task] === Kind.Copy && world.page[task] === world.rangeStart[task]) deliverContent(world, world.page[task]);
  if (++world.page[task] < world.rangeEnd[task]) return Flow.Otherwise;
  world.outcome[task] = Errno.OK;
  return Flow.Done;
};

const copyDone: Run = (world, task) => {
  world.meter.raise(Event.IoReady);
  world.meter.noteMany(Op['work.done'], world.rangeEnd[task] - world.rangeStart[task]);
  return Flow.Next;
};

const copyFault: Run = (world) => {
  world.meter.gupErrors[Errno.EFAULT]++;
  return Flow.Next;
};

/** Routine `copyRange`: copies to or from all pages of the range through the mapping. `outcome`: OK or EFAULT. */
export function copyRangeSteps({ remap, aborts }: { readonly remap: boolean; readonly aborts: boolean }): readonly Step[] {
  return [
    ...(remap ? remapSteps('page.copy', 'copy.refused') : []),
    steady('page.copy', copyPage, 'page.copy'),
    ...(aborts ? abortSteps('copy.efault') : []),
    free('host.fault', enterHostFault),
    acquireUnless('vmas')('mmapLock.read', readLockMmap),
    callRoutine('fault', 'faultCore'),
    releaseUnless('vmas')('mmapLock.readUnlock', readUnlockMmap),
    free('fault.result', faultResult, 'copy.efault'),
    goTo('page.copy'),
    free('copy.efault', copyFault),
    free('copy.refused', setOutcome(Errno.EFAULT)),
    end,
  ];
}

function setOutcome(errno: number): Run {
  return (world, task) => {
    world.outcome[task] = errno;
    return Flow.Next;
  };
}

/** Routine: `--io buffered`: a copy and no reference. */
export function copySteps(): readonly Step[] {
  return [
    free('io.begin', beginCopy),
    callRoutine('copy', 'copyRange'),
    free('copied', outcomeOk, 'io.failed'),
    free('io.ready', copyDone),
    free('io.done', complete),
    free('io.failed', fail),
  ];
}
