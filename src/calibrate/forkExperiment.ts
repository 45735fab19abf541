/** Forks of a process that has nothing but mappings of the file: a batch of them, whose children end at once. */
import type { Experiment, Bench } from './experiments.ts';
import { forkLine, madviseLine, openCallList, untimed, waitLine } from './callList.ts';
import { allocateAll, openGround, populating } from './ground.ts';
import { openRoutines } from './machineCode.ts';
import { extentOf } from './ownMemory.ts';
import type { Place } from './points.ts';

const BATCH_FORKS = 16;

export function openFork(bench: Bench, place: Place): Experiment | string {
  const { libc, scope } = bench;
  const routines = openRoutines(libc, scope);
  if (typeof routines === 'string') return routines;
  const ground = openGround(bench, place, 1);
  allocateAll(libc, ground);
  const entries = place.touched ? ground.windows.map((address) => madviseLine(address, ground.bytes, populating(place.dirty))) : [];
  const run = openCallList({
    libc,
    routines,
    scope,
    // A fork takes no entries of a shared file along: the process makes its own. Its first fork finds what that left of the caches.
    lines: [...untimed([...entries, forkLine]), waitLine, ...Array.from({ length: BATCH_FORKS }, () => [forkLine, waitLine]).flat()],
    shown: ground.windows.map((address) => extentOf(address, ground.bytes)),
  });
  return { calls: BATCH_FORKS, foreignCalls: 0, reset() {}, run };
}
