/**
 * Experiments: how each operation is measured. `reset` makes the surroundings, untimed; `run` makes the calls, timed as one batch.
 *
 * The calls of a batch work on ranges of their own in one file, so that each of them finds what the place says. Entries are made by
 * MADV_POPULATE_*, which takes the path of a fault and gives a writable entry that is clean (READ) or dirty (WRITE).
 *
 * Source: mm/madvise.c, mm/gup.c (faultin_page_range), mm/memory.c (do_shared_fault), fs/splice.c, io_uring/rsrc.c.
 */
import { Advice, Allocate, Fcntl, IO_URING_PARAMS_BYTES, IoUringRegister, MapFlag, OpenFlag, PAGE_BYTES, Protection, Syscall } from './abi.ts';
import { KernelError, checked } from './backing.ts';
import type { Backing } from './backing.ts';
import { BATCH_ENTRIES, BATCH_PAGES, callsOf, getCallsOf } from './batches.ts';
import { openFork } from './forkExperiment.ts';
import { allocateAll, openGround, populating, punchAll, touchAll, unmapEntries } from './ground.ts';
import type { Ground } from './ground.ts';
import { MAP_FAILED } from './libc.ts';
import type { Libc } from './libc.ts';
import { openMixed, openMixedForks } from './mixedExperiment.ts';
import { MapCommand, mapElsewhere } from './neighbours.ts';
import type { Mapper } from './neighbours.ts';
import type { MeasuredOperation, Place } from './points.ts';
import { openEfault, openSigbus } from './refusedExperiments.ts';
import type { Scope } from './scope.ts';
import type { Machines } from './virtualMachine.ts';
import { openConvert, openStage2 } from './vmExperiments.ts';

export interface Experiment {
  /** Calls of one run, through which its time is divided. */
  readonly calls: number;
  /** Calls into libc among them: 0 where plain loads and stores are timed. */
  readonly foreignCalls: number;
  reset(): void;
  /** Nanoseconds that it took, where it is not this thread that does the work. */
  run(): number | void;
}

export interface Bench {
  readonly libc: Libc;
  readonly backing: Backing;
  readonly machines: Machines;
  /** Everything that the experiment opens. */
  readonly scope: Scope;
}

/** Mappings that a batch makes or takes away: enough that the shapes that the mm's tree goes through are in each batch. */
const BATCH_MAPPINGS = 128;
/** Calls of a batch that find nothing to do, and can be made again and again. */
const BATCH_IDLE = 128;
/** io_uring instances, each of which registers a buffer of its own. */
const BATCH_RINGS = 16;

/** Opens the experiment of a place, or says why there is none here. @throws KernelError where the machine refuses it */
export async function openExperiment(bench: Bench, place: Place): Promise<Experiment | string> {
  return OPEN[place.operation](bench, place);
}

type Open = (bench: Bench, place: Place) => Experiment | string | Promise<Experiment | string>;
const OPEN: Readonly<Record<MeasuredOperation, Open>> = {
  'syscall': openSyscall,
  'mmap': openMmap,
  'munmap': openMunmap,
  'fault.first': openFault,
  'fault.minor': openFault,
  'populate': openPopulate,
  'zap': openZap,
  'allocate': openAllocate,
  'punch': openPunch,
  'punch.one': openPunch,
  'punch.empty': openPunch,
  'gup.get': openGet,
  'gup.pin': openPin,
  'gup.unpin': openPin,
  'stage2.fault': openStage2,
  'stage2.punch': openStage2,
  'convert.private': openConvert,
  'convert.shared': openConvert,
  'efault': openEfault,
  'sigbus': openSigbus,
  'fork': openFork,
  'mixed': openMixed,
  'mixed.forks': openMixedForks,
};

function openSyscall({ libc }: Bench): Experiment {
  const calls = 1000;
  return {
    calls,
    foreignCalls: calls,
    reset() {},
    run() {
      for (let call = 0; call < calls; call++) libc.getppid();
    },
  };
}

async function openPunch(bench: Bench, place: Place): Promise<Experiment> {
  const { libc, scope } = bench;
  const { pages, vmas, processes, touched, dirty, operation } = place;
  const ranges = callsOf(place);
  const calls = operation === 'punch.empty' ? Math.max(ranges, BATCH_IDLE) : ranges;
  const ground = openGround(bench, place, ranges);
  const others: Mapper[] = [];
  for (let process = 1; process < processes; process++) others.push(await mapElsewhere(libc, { fd: ground.fd, pages: pages * ranges, vmas }, scope));
  const rangeBytes = pages * PAGE_BYTES;
  return {
    calls,
    foreignCalls: calls,
    reset() {
      if (operation === 'punch.empty') return;
      allocateAll(libc, ground);
      if (!touched) return;
      // Pages are zeroed at their first touch: by one that is not the last, or the caches would be full of zeroes when the call begins.
      for (const address of ground.windows.slice(0, 1)) {
        checked(libc, 'madvise(POPULATE)', libc.madvise(address, ground.bytes, populating(dirty)));
        unmapEntries(libc, address, ground.bytes);
      }
      touchAll(libc, ground, dirty);
      // What was touched once keeps its page tables.
      if (operation === 'punch.one') for (const address of ground.windows.slice(1)) unmapEntries(libc, address, ground.bytes);
      for (const other of others) other.touch(dirty ? MapCommand.Write : MapCommand.Read);
    },
    run() {
      for (let call = 0; call < calls; call++) libc.fallocate(ground.fd, Allocate.Hole, (call % ranges) * rangeBytes, rangeBytes);
    },
  };
}

function openAllocate(bench: Bench, place: Place): Experiment {
  const { libc } = bench;
  const calls = callsOf(place);
  const ground = openGround(bench, { ...place, vmas: 0 }, calls);
  const rangeBytes = place.pages * PAGE_BYTES;
  return {
    calls,
    foreignCalls: calls,
    reset: () => punchAll(libc, ground),
    run() {
      for (let call = 0; call < calls; call++) libc.fallocate(ground.fd, Allocate.KeepSize, call * rangeBytes, rangeBytes);
    },
  };
}

function openMmap(bench: Bench, place: Place): Experiment {
  const { libc, scope } = bench;
  const calls = BATCH_MAPPINGS;
  const { fd, bytes } = openGround(bench, place, 1);
  const mapped = new Float64Array(calls);
  const unmapAll = (): void => {
    for (let call = 0; call < calls; call++) if (mapped[call] > 0) libc.munmap(mapped[call], bytes);
    mapped.fill(0);
  };
  scope.defer(unmapAll);
  return {
    calls,
    foreignCalls: calls,
    reset: unmapAll,
    run() {
      for (let call = 0; call < calls; call++) mapped[call] = libc.mmap(0, bytes, Protection.ReadWrite, MapFlag.Shared, fd, 0);
    },
  };
}

function openMunmap(bench: Bench, place: Place): Experiment {
  const { libc, scope } = bench;
  const calls = place.touched ? Math.max(1, Math.min(BATCH_MAPPINGS, Math.floor(BATCH_ENTRIES / place.pages))) : BATCH_MAPPINGS;
  const ground = openGround(bench, place, 1);
  const { fd, bytes } = ground;
  allocateAll(libc, ground);
  const mapped = new Float64Array(calls);
  const unmapAll = (): void => {
    for (let call = 0; call < calls; call++) if (mapped[call] > 0) libc.munmap(mapped[call], bytes);
    mapped.fill(0);
  };
  scope.defer(unmapAll);
  return {
    calls,
    foreignCalls: calls,
    reset() {
      for (let call = 0; call < calls; call++) {
        const address = libc.mmap(0, bytes, Protection.ReadWrite, MapFlag.Shared, fd, 0);
        if (address === MAP_FAILED) throw new KernelError('mmap', libc.errno());
        mapped[call] = address;
        if (place.touched) checked(libc, 'madvise(POPULATE)', libc.madvise(address, bytes, populating(place.dirty)));
      }
    },
    run() {
      for (let call = 0; call < calls; call++) {
        libc.munmap(mapped[call], bytes);
        mapped[call] = 0;
      }
    },
  };
}

/** Loads and stores through the mapping itself: what a fault costs has the exception in it. */
function openFault(bench: Bench, place: Place): Experiment {
  const { libc } = bench;
  const { operation, dirty } = place;
  const calls = callsOf(place);
  const ground = openGround(bench, place, calls);
  const [address] = ground.windows;
  const memory = libc.view(address, ground.bytes);
  let seen = 0;
  return {
    calls,
    foreignCalls: 0,
    reset() {
      if (operation === 'fault.first') return punchAll(libc, ground);
      allocateAll(libc, ground);
      return unmapEntries(libc, address, ground.bytes);
    },
    run() {
      const { length } = memory;
      if (dirty) for (let byte = 0; byte < length; byte += PAGE_BYTES) memory[byte] = 1;
      else for (let byte = 0; byte < length; byte += PAGE_BYTES) seen += memory[byte];
      if (seen < 0) throw new Error('bytes are not negative');
    },
  };
}

function openPopulate(bench: Bench, place: Place): Experiment {
  return openAdvice(bench, place, populating(place.dirty), () => undefined);
}

function openZap(bench: Bench, place: Place): Experiment {
  return openAdvice(bench, place, Advice.DontNeed, (ground) => (place.touched ? touchAll(bench.libc, ground, place.dirty) : undefined));
}

/** madvise over ranges of one mapping of pages that the file has, without entries but for those that `prepare` makes. */
function openAdvice(bench: Bench, place: Place, advice: number, prepare: (ground: Ground) => void): Experiment {
  const { libc } = bench;
  const ranges = callsOf(place);
  const calls = place.operation === 'zap' && !place.touched ? Math.max(ranges, BATCH_IDLE) : ranges;
  const ground = openGround(bench, place, ranges);
  const [address] = ground.windows;
  allocateAll(libc, ground);
  const rangeBytes = place.pages * PAGE_BYTES;
  return {
    calls,
    foreignCalls: calls,
    reset() {
      unmapEntries(libc, address, ground.bytes);
      prepare(ground);
    },
    run() {
      for (let call = 0; call < calls; call++) libc.madvise(address + (call % ranges) * rangeBytes, rangeBytes, advice);
    },
  };
}

/** Entries of one mapping as the place wants them, for GUP to find. */
function resetEntries(libc: Libc, ground: Ground, { touched }: Place): void {
  unmapEntries(libc, ground.windows[0], ground.bytes);
  if (touched) touchAll(libc, ground, true);
}

/** A buffer of the range of each call. */
const buffersOf = ({ windows: [address], bytes }: Ground, calls: number): readonly BigUint64Array[] =>
  Array.from({ length: calls }, (_, call) => new BigUint64Array([BigInt(address + call * (bytes / calls)), BigInt(bytes / calls)]));

function openGet(bench: Bench, place: Place): Experiment {
  const { libc, scope } = bench;
  const calls = getCallsOf(place);
  const ground = openGround(bench, place, calls);
  allocateAll(libc, ground);
  const buffers = buffersOf(ground, calls);
  const ends = new Int32Array([-1, -1]);
  const closePipe = (): void => {
    for (const end of ends) if (end >= 0) libc.close(end);
    ends.fill(-1);
  };
  scope.defer(closePipe);
  return {
    calls,
    foreignCalls: calls,
    reset() {
      closePipe();
      checked(libc, 'pipe', libc.pipe(ends, OpenFlag.CloseOnExec));
      checked(libc, 'fcntl(F_SETPIPE_SZ)', libc.fcntl(ends[1], Fcntl.SetPipeSize, ground.bytes));
      resetEntries(libc, ground, place);
    },
    run() {
      for (let call = 0; call < calls; call++) checked(libc, 'vmsplice', libc.vmsplice(ends[1], buffers[call], 1, 0));
    },
  };
}

function openPin(bench: Bench, place: Place): Experiment {
  const { libc, scope } = bench;
  const calls = Math.max(1, Math.min(BATCH_RINGS, Math.floor(BATCH_PAGES / place.pages)));
  const ground = openGround(bench, place, calls);
  allocateAll(libc, ground);
  const buffers = buffersOf(ground, calls);
  const rings = buffers.map(() => {
    const ring = checked(libc, 'io_uring_setup', libc.ioUringSetup(Syscall.IoUringSetup, 1, new Uint8Array(IO_URING_PARAMS_BYTES)));
    scope.defer(() => void libc.close(ring));
    return ring;
  });
  let registered = false;
  const register = (): void => {
    for (let call = 0; call < calls; call++) {
      checked(libc, 'IORING_REGISTER_BUFFERS', libc.ioUringRegister(Syscall.IoUringRegister, rings[call], IoUringRegister.Buffers, buffers[call], 1));
    }
    registered = true;
  };
  const unregister = (): void => {
    for (const ring of rings) checked(libc, 'IORING_UNREGISTER_BUFFERS', libc.ioUringRegister(Syscall.IoUringRegister, ring, IoUringRegister.UnregisterBuffers, null, 0));
    registered = false;
  };
  const pins = place.operation === 'gup.pin';
  return {
    calls,
    foreignCalls: calls,
    reset() {
      if (registered) unregister();
      resetEntries(libc, ground, place);
      if (!pins) register();
    },
    run: pins ? register : unregister,
  };
}
