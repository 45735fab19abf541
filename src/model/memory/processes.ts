/**
 * Processes: who is alive. A task of a process that was not born yet, or has exited, waits before each of its accesses.
 *
 * A fork names its child; it gives it VMAs and entries, and then brings it to life. `exit` takes everything away again, so that the same
 * process can be born once more.
 */
import { column } from '../columns.ts';
import { lockId, waitFor } from '../locks.ts';
import { Waiting } from '../meter.ts';
import { Flow, waits } from '../step.ts';
import type { FlowKind, Run, Step } from '../step.ts';
import type { MemoryShape } from './shape.ts';
import type { MemoryWorld } from './world.ts';

export const MmState = {
  /** Not born, or gone. */
  None: 0,
  Alive: 1,
  /** A fork is filling it. */
  Unborn: 2,
} as const;

const mms = ({ mms: count }: MemoryShape): number => count;

export const processColumns = {
  mmState: column('u8', 'mm', mms, () => MmState.Unborn),
  /** MMF_HAS_PINNED: a pin was taken through it at some time. */
  mmHasPinned: column('u8', 'mm', mms, () => 1),
  /** write_protect_seq: odd while a fork write-protects. Wraps; nobody sleeps through 128 forks with interrupts off. */
  mmForkSequence: column('u8', 'mm', mms, () => 0xff),
} as const;

const waitForBirth: Run<MemoryWorld> = (world, task) => {
  const mm = world.mm[task];
  return world.mmState[mm] === MmState.Alive ? Flow.Next : waitFor(world, lockId(Waiting.Child, mm));
};

/** Every access of a process that may not be there yet begins with it. */
export const bornStep: Step<MemoryWorld> = waits('mm.born', waitForBirth);

/** Takes the place of a process for a fork; waits while it is in use. */
export function conceive(world: MemoryWorld, mm: number): FlowKind {
  if (world.mmState[mm] !== MmState.None) return waitFor(world, lockId(Waiting.Child, mm));
  world.mmState[mm] = MmState.Unborn;
  return Flow.Next;
}

/** The process is complete: its tasks may run. */
export function bear(world: MemoryWorld, mm: number): void {
  world.mmState[mm] = MmState.Alive;
  world.meter.release(lockId(Waiting.Child, mm));
}

/** The process is gone, with its VMAs and entries. */
export function bury(world: MemoryWorld, mm: number): void {
  world.mmState[mm] = MmState.None;
  world.mmHasPinned[mm] = 0;
  world.mmForkSequence[mm] = 0;
  world.meter.release(lockId(Waiting.Child, mm));
}
