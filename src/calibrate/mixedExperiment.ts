/** A whole sequence as an experiment: one run is the sequence, on a file that is empty before it; with forks in it, by a child that may fork. */
import { Advice, Allocate, IO_URING_PARAMS_BYTES, IoUringRegister, PAGE_BYTES, Syscall, X64Call } from './abi.ts';
import { checked } from './backing.ts';
import { forkLine, madviseLine, mapLine, mapShared, openCallList, touchLine, untimed, waitLine } from './callList.ts';
import type { CallLine } from './callList.ts';
import type { Bench, Experiment } from './experiments.ts';
import { map, reserve } from './ground.ts';
import { openRoutines } from './machineCode.ts';
import { mixedCalls, mixedSequence } from './mixed.ts';
import type { MixedKind, MixedStep } from './mixed.ts';
import { extentOf } from './ownMemory.ts';
import type { Place } from './points.ts';

interface MixedGround {
  readonly fd: number;
  readonly bytes: number;
  readonly ring: number;
  /** Empties the file. */
  readonly reset: () => void;
}

function openMixedGround({ libc, backing, scope }: Bench, { pages }: Place): MixedGround {
  const bytes = pages * PAGE_BYTES;
  const fd = backing.createFile(pages);
  scope.defer(() => void libc.close(fd));
  const ring = checked(libc, 'io_uring_setup', libc.ioUringSetup(Syscall.IoUringSetup, 1, new Uint8Array(IO_URING_PARAMS_BYTES)));
  scope.defer(() => void libc.close(ring));
  return { fd, bytes, ring, reset: () => void checked(libc, 'fallocate(PUNCH_HOLE)', libc.fallocate(fd, Allocate.Hole, 0, bytes)) };
}

/** Loads and stores of this thread, and calls through libc. */
export function openMixed(bench: Bench, place: Place): Experiment {
  const { libc, scope } = bench;
  const { dirty, vmas } = place;
  const steps = mixedSequence(place);
  const { fd, bytes, ring, reset } = openMixedGround(bench, place);
  const windows = Array.from({ length: vmas }, () => map(libc, scope, fd, bytes));
  const memories = windows.map((address) => libc.view(address, bytes));
  const buffers = steps.map(({ page, count, window }) => new BigUint64Array([BigInt(windows[window] + page * PAGE_BYTES), BigInt(count * PAGE_BYTES)]));
  let seen = 0;
  const advise = ({ page, count, window }: MixedStep, advice: number): void => void checked(libc, 'madvise', libc.madvise(windows[window] + page * PAGE_BYTES, count * PAGE_BYTES, advice));
  const run: Readonly<Record<Exclude<MixedKind, 'fork'>, (step: MixedStep, at: number) => void>> = {
    touch({ page, count, window }) {
      const memory = memories[window];
      const end = (page + count) * PAGE_BYTES;
      if (dirty) for (let byte = page * PAGE_BYTES; byte < end; byte += PAGE_BYTES) memory[byte] = 1;
      else for (let byte = page * PAGE_BYTES; byte < end; byte += PAGE_BYTES) seen += memory[byte];
    },
    populate: (step) => advise(step, dirty ? Advice.PopulateWrite : Advice.PopulateRead),
    zap: (step) => advise(step, Advice.DontNeed),
    punch: ({ page, count }) => void checked(libc, 'fallocate(PUNCH_HOLE)', libc.fallocate(fd, Allocate.Hole, page * PAGE_BYTES, count * PAGE_BYTES)),
    pin(_, at) {
      checked(libc, 'IORING_REGISTER_BUFFERS', libc.ioUringRegister(Syscall.IoUringRegister, ring, IoUringRegister.Buffers, buffers[at], 1));
      checked(libc, 'IORING_UNREGISTER_BUFFERS', libc.ioUringRegister(Syscall.IoUringRegister, ring, IoUringRegister.UnregisterBuffers, null, 0));
    },
  };
  return {
    calls: 1,
    foreignCalls: mixedCalls(steps),
    reset,
    run() {
      for (let at = 0; at < steps.length; at++) {
        const { kind } = steps[at];
        if (kind !== 'fork') run[kind](steps[at], at);
      }
      if (seen < 0) throw new Error('bytes are not negative');
    },
  };
}

/** The same by a list of a child: system calls through no library, and forks. */
export function openMixedForks(bench: Bench, place: Place): Experiment | string {
  const { libc, scope } = bench;
  const { dirty, vmas } = place;
  const routines = openRoutines(libc, scope);
  if (typeof routines === 'string') return routines;
  const steps = mixedSequence(place);
  const { fd, bytes, ring, reset } = openMixedGround(bench, place);
  const windows = Array.from({ length: vmas }, () => reserve(libc, scope, bytes));
  const vectors = mapShared(libc, scope, steps.length * 16);
  for (const [at, { page, count, window }] of steps.entries()) vectors.words.set([BigInt(windows[window] + page * PAGE_BYTES), BigInt(count * PAGE_BYTES)], 2 * at);
  const advise = ({ page, count, window }: MixedStep, advice: number): readonly CallLine[] => [madviseLine(windows[window] + page * PAGE_BYTES, count * PAGE_BYTES, advice)];
  const lines: Readonly<Record<MixedKind, (step: MixedStep, at: number) => readonly CallLine[]>> = {
    touch: ({ page, count, window }) => [touchLine(windows[window] + page * PAGE_BYTES, count * PAGE_BYTES, dirty)],
    populate: (step) => advise(step, dirty ? Advice.PopulateWrite : Advice.PopulateRead),
    zap: (step) => advise(step, Advice.DontNeed),
    punch: ({ page, count }) => [{ name: 'fallocate(PUNCH_HOLE)', words: [X64Call.Fallocate, fd, Allocate.Hole, page * PAGE_BYTES, count * PAGE_BYTES] }],
    pin: (_, at) => [
      { name: 'IORING_REGISTER_BUFFERS', words: [Syscall.IoUringRegister, ring, IoUringRegister.Buffers, vectors.address + 16 * at, 1] },
      { name: 'IORING_UNREGISTER_BUFFERS', words: [Syscall.IoUringRegister, ring, IoUringRegister.UnregisterBuffers, 0, 0] },
    ],
    fork: () => [forkLine, waitLine],
  };
  const punchAll: CallLine = { name: 'fallocate(PUNCH_HOLE)', words: [X64Call.Fallocate, fd, Allocate.Hole, 0, bytes] };
  const run = openCallList({
    libc,
    routines,
    scope,
    // Page tables are there before, as in mappings that have been used.
    lines: [...untimed([...windows.flatMap((address) => [mapLine(address, bytes, fd), touchLine(address, bytes, true)]), punchAll]), ...steps.flatMap((step, at) => lines[step.kind](step, at))],
    shown: [extentOf(vectors.address, vectors.words.byteLength)],
  });
  return { calls: 1, foreignCalls: 0, reset, run };
}
