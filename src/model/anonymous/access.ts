/**
 * A CPU's load or store through its process's window, and how accesses begin and end.
 *
 * Translation and access are one step: TLBs hold what the entry says (memory/entries.ts).
 */
import { Errno } from '../errno.ts';
import { EntryBit, entryAt } from '../memory/entries.ts';
import { FrameBit } from '../memory/frames.ts';
import { readLockMmap, readUnlockMmap } from '../memory/locks.ts';
import { bornStep } from '../memory/processes.ts';
import { Op } from '../operations.ts';
import { Flow, acquire, callRoutine, free, goTo, release, steady } from '../step.ts';
import { AnonymousAccess, AnonymousFlag, AnonymousSpan } from './kinds.ts';
import type { AnonymousWorld, Run, Step } from './world.ts';

/** The access is over, and did what it should. */
export const complete: Run = (world) => {
  world.meter.note(Op['access.done']);
  return Flow.Done;
};

/** The access is over, and `outcome` says why it did nothing. */
export const fail: Run = (world) => {
  world.meter.note(Op['access.failed']);
  return Flow.Done;
};

export const syscall: Run = (world) => {
  world.meter.charge(Op.syscall);
  return Flow.Next;
};

/** Whether the entry lets a CPU through: for a write it must be writable. */
export const serves = (bits: number, write: boolean): boolean =>
  (bits & (EntryBit.Present | EntryBit.ProtNone)) === EntryBit.Present && (!write || (bits & EntryBit.Write) !== 0);

/** Writes the value that the task brings; without one, one more than there is, so that every write changes the page. */
export function writeContent({ frameContent, frameFlags, value }: AnonymousWorld, task: number, frame: number): void {
  frameContent[frame] = value[task] === 0 ? (frameContent[frame] % 255) + 1 : value[task];
  frameFlags[frame] |= FrameBit.Dirty;
}

const isWrite = (world: AnonymousWorld, task: number): boolean => world.kind[task] === AnonymousAccess.Write;

const beginAccess: Run = (world, task) => {
  if (isWrite(world, task)) world.flags[task] |= AnonymousFlag.Write;
  return Flow.Next;
};

/** The access, where the entry lets it through; otherwise it faults. */
const touch: Run = (world, task) => {
  const at = entryAt(world, world.window[task], world.page[task]);
  const write = isWrite(world, task);
  if (!serves(world.entry[at], write)) return Flow.Otherwise;
  const frame = world.entryTarget[at] - 1;
  if (write) {
    writeContent(world, task, frame);
    world.entry[at] |= EntryBit.Dirty;
  } else {
    world.meter.readValue = world.frameContent[frame];
  }
  world.meter.charge(Op['host.access']);
  world.meter.note(Op['work.done']);
  if (world.flags[task] & AnonymousFlag.Faulted && write) world.meter.endSpan(AnonymousSpan.WriteFault);
  return Flow.Next;
};

/** The exception. Write faults are told to the engine, once an access. */
const enterFault: Run = (world, task) => {
  world.meter.charge(Op['host.fault']);
  if ((world.flags[task] & AnonymousFlag.Faulted) === 0 && isWrite(world, task)) world.meter.beginSpan(AnonymousSpan.WriteFault);
  world.flags[task] |= AnonymousFlag.Faulted;
  return Flow.Next;
};

/** Otherwise the fault could not be served. */
const faultResult: Run = (world, task) => (world.outcome[task] === Errno.OK ? Flow.Next : Flow.Otherwise);

const signal: Run = (world, task) => {
  world.meter.charge(Op.signal);
  world.meter.note(Op['signal.SIGSEGV']);
  return fail(world, task);
};

/** Routines `read` and `write`. */
export function accessSteps(): readonly Step[] {
  return [
    bornStep,
    free('begin', beginAccess),
    steady('cpu.access', touch, 'host.fault'),
    free('done', complete),
    free('host.fault', enterFault),
    acquire('mmapLock.read', readLockMmap),
    callRoutine('fault', 'fault'),
    release('mmapLock.readUnlock', readUnlockMmap),
    free('fault.result', faultResult, 'signal'),
    goTo('cpu.access'),
    free('signal', signal),
  ];
}
