/**
 * Forks: a child with the mappings of the file, and without the memory that Node has for itself, ends at once; the time is that of the call.
 *
 * @see machineCode.ts for why the child may do nothing else
 */
import { Advice } from './abi.ts';
import { KernelError, checked } from './backing.ts';
import { allocateAll, openGround, touchAll } from './ground.ts';
import type { Bench, Experiment } from './experiments.ts';
import type { Libc } from './libc.ts';
import { openRoutines, waitForChild } from './machineCode.ts';
import { extentOf, hideOwnMemory } from './ownMemory.ts';
import type { Extent } from './ownMemory.ts';
import type { Place } from './points.ts';
import type { Scope } from './scope.ts';

/** Children of a batch, which are waited for before the next. */
const BATCH_FORKS = 16;

/** Forks with nothing but some mappings, whose children are waited for later. */
export interface Forks {
  /** To be called before a run: hides what is new of Node's memory, and waits for the children of the last. */
  prepare(): void;
  /** @throws KernelError where there may be no more processes */
  fork(): void;
}

/** @param shown the mappings that a child gets @returns why it cannot be, in place of forks */
export function openForks(libc: Libc, scope: Scope, shown: readonly Extent[]): Forks | string {
  const routines = openRoutines(libc, scope);
  if (typeof routines === 'string') return routines;
  const hide = hideOwnMemory(libc, scope, [...shown, ...routines.vital]);
  const children: number[] = [];
  const waitForAll = (): void => {
    for (let child = children.pop(); child !== undefined; child = children.pop()) {
      const end = waitForChild(libc, child);
      if ('signal' in end) throw new Error(`a child died of signal ${end.signal}`);
    }
  };
  scope.defer(waitForAll);
  return {
    prepare() {
      waitForAll();
      hide();
    },
    fork() {
      const child = routines.fork(0);
      if (child < 0) throw new KernelError('clone', -child);
      children.push(child);
    },
  };
}

export function openFork(bench: Bench, place: Place): Experiment | string {
  const { libc, scope } = bench;
  const ground = openGround(bench, place, 1);
  allocateAll(libc, ground);
  const forks = openForks(libc, scope, ground.windows.map((address) => extentOf(address, ground.bytes)));
  if (typeof forks === 'string') return forks;
  return {
    calls: BATCH_FORKS,
    foreignCalls: BATCH_FORKS,
    reset() {
      forks.prepare();
      for (const address of ground.windows) checked(libc, 'madvise(DONTNEED)', libc.madvise(address, ground.bytes, Advice.DontNeed));
      if (place.touched) touchAll(libc, ground, place.dirty);
    },
    run() {
      for (let call = 0; call < BATCH_FORKS; call++) forks.fork();
    },
  };
}
