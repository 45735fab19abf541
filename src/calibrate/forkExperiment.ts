/** Forks of a process that has nothing but mappings of the file: a batch of them, whose children end at once. */
import { forkLine, madviseLine, mapLine, openCallList, untimed, waitLine } from './callList.ts';
import type { Bench, Experiment } from './experiments.ts';
import { allocateAll, openGround, populating, reserve } from './ground.ts';
import { openRoutines } from './machineCode.ts';
import type { Place } from './points.ts';

const BATCH_FORKS = 16;

export function openFork(bench: Bench, place: Place): Experiment | string {
  const { libc, scope } = bench;
  const routines = openRoutines(libc, scope);
  if (typeof routines === 'string') return routines;
  const ground = openGround(bench, { ...place, vmas: 0 }, 1);
  allocateAll(libc, ground);
  const { fd, bytes } = ground;
  const windows = Array.from({ length: place.vmas }, () => reserve(libc, scope, bytes));
  const run = openCallList({
    libc,
    routines,
    scope,
    lines: [
      ...untimed([
        ...windows.map((address) => mapLine(address, bytes, fd)),
        ...(place.touched ? windows.map((address) => madviseLine(address, bytes, populating(place.dirty))) : []),
        // The first finds what all that left of the caches.
        forkLine,
      ]),
      waitLine,
      ...Array.from({ length: BATCH_FORKS }, () => [forkLine, waitLine]).flat(),
    ],
    shown: [],
  });
  return { calls: BATCH_FORKS, foreignCalls: 0, reset() {}, run };
}
