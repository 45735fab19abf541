/** A whole sequence as an experiment: one run is the sequence, on a file that is empty before it. */
import { Advice, Allocate, IO_URING_PARAMS_BYTES, IoUringRegister, MapFlag, PAGE_BYTES, Protection, Syscall } from './abi.ts';
import { KernelError, checked } from './backing.ts';
import type { Bench, Experiment } from './experiments.ts';
import { openForks } from './forkExperiment.ts';
import { MAP_FAILED } from './libc.ts';
import { mixedCalls, mixedSequence } from './mixed.ts';
import type { MixedKind, MixedStep } from './mixed.ts';
import { extentOf } from './ownMemory.ts';
import type { Place } from './points.ts';

export function openMixed({ libc, backing, scope }: Bench, place: Place): Experiment | string {
  const { pages, vmas, dirty } = place;
  const steps = mixedSequence(place);
  const bytes = pages * PAGE_BYTES;
  const fd = backing.createFile(pages);
  scope.defer(() => void libc.close(fd));
  const windows = Array.from({ length: vmas }, () => {
    const address = libc.mmap(0, bytes, Protection.ReadWrite, MapFlag.Shared, fd, 0);
    if (address === MAP_FAILED) throw new KernelError('mmap', libc.errno());
    scope.defer(() => void libc.munmap(address, bytes));
    return { address, memory: libc.view(address, bytes) };
  });
  const ring = checked(libc, 'io_uring_setup', libc.ioUringSetup(Syscall.IoUringSetup, 1, new Uint8Array(IO_URING_PARAMS_BYTES)));
  scope.defer(() => void libc.close(ring));
  const buffers = steps.map(({ page, count, window }) => new BigUint64Array([BigInt(windows[window].address + page * PAGE_BYTES), BigInt(count * PAGE_BYTES)]));
  const forks = place.operation === 'mixed.forks' ? openForks(libc, scope, windows.map(({ address }) => extentOf(address, bytes))) : null;
  if (typeof forks === 'string') return forks;
  let seen = 0;
  const advise = ({ page, count, window }: MixedStep, advice: number): void =>
    void checked(libc, 'madvise', libc.madvise(windows[window].address + page * PAGE_BYTES, count * PAGE_BYTES, advice));
  const run: Readonly<Record<MixedKind, (step: MixedStep, at: number) => void>> = {
    touch({ page, count, window }) {
      const { memory } = windows[window];
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
    fork: () => forks?.fork(),
  };
  return {
    calls: 1,
    foreignCalls: mixedCalls(steps),
    reset() {
      forks?.prepare();
      checked(libc, 'fallocate(PUNCH_HOLE)', libc.fallocate(fd, Allocate.Hole, 0, bytes));
    },
    run() {
      for (let at = 0; at < steps.length; at++) run[steps[at].kind](steps[at], at);
      if (seen < 0) throw new Error('bytes are not negative');
    },
  };
}
