/**
 * Agreement: the same sequence of operations on the model and on the kernel, compared answer by answer.
 *
 * Sequences are the litmus files, thread after thread as far as the kernel can be asked (no guest, no conversion), and random ones. The
 * contents of pages are compared too, so that a hole that took the wrong page, or a buffer that kept the old one, is seen.
 */
import { buildHost } from '../model/host.ts';
import { Meter } from '../model/meter.ts';
import { Op } from '../model/operations.ts';
import type { Shape } from '../model/shape.ts';
import { openWindow } from '../model/windows.ts';
import { createWorld } from '../model/world.ts';
import { isOfConversions } from '../explore/families/index.ts';
import type { AnyLitmus, Litmus } from '../explore/litmus.ts';
import { sigbusOnFault } from '../policies/conversion/sigbus-on-fault.ts';
import { below, createRandom } from '../workloads/random.ts';
import { Access } from '../workloads/workload.ts';
import type { AccessKind } from '../workloads/workload.ts';
import type { Backing } from './backing.ts';
import { drive } from './drive.ts';
import type { Ending } from './drive.ts';
import { isRunnable, openKernelFile, worstOf } from './kernelFile.ts';
import type { HostOperation } from './kernelFile.ts';
import type { Libc } from './libc.ts';
import { leaveNoCores, openRoutines } from './machineCode.ts';
import type { Routines } from './machineCode.ts';
import { withScope } from './scope.ts';
import type { Scope } from './scope.ts';

/** Operations of one thread on one file. */
export interface Sequence {
  readonly name: string;
  readonly pages: number;
  readonly windows: number;
  /** Every page starts shared, or private. */
  readonly shared: boolean;
  readonly slots: number;
  readonly operations: readonly HostOperation[];
}

export interface Disagreement {
  readonly sequence: string;
  /** Of the operation, from 0. */
  readonly index: number;
  readonly operation: HostOperation;
  readonly model: Ending;
  readonly kernel: Ending;
}

export interface Agreement {
  readonly sequences: number;
  readonly operations: number;
  /** The first of each sequence that has one. */
  readonly disagreements: readonly Disagreement[];
}

/** Pages that an operation may name, beyond the end of the file too. */
const REACH = 32;

/** The litmus files, as far as they go, and random sequences. */
export function sequencesOf(litmus: readonly AnyLitmus[], random: { readonly count: number; readonly length: number }): readonly Sequence[] {
  return [...litmus.filter(isOfConversions).flatMap((one) => sequenceOf(one) ?? []), ...Array.from({ length: random.count }, (_, seed) => randomSequence(seed, random.length))];
}

/** Runs sequences on both. @throws KernelError where the kernel refuses what has nothing to do with the model */
export async function compareWithKernel(libc: Libc, backing: Backing, sequences: readonly Sequence[]): Promise<Agreement> {
  return withScope(async (scope) => {
    const opened = openRoutines(libc, scope);
    const routines = typeof opened === 'string' ? null : opened;
    leaveNoCores(libc, scope);
    const disagreements: Disagreement[] = [];
    let operations = 0;
    for (const sequence of sequences) {
      const { asked, disagreement } = await withScope((inner) => compareSequence({ libc, backing, routines, scope: inner }, sequence));
      operations += asked;
      if (disagreement !== null) disagreements.push(disagreement);
    }
    return { sequences: sequences.length, operations, disagreements };
  });
}

interface Kernel {
  readonly libc: Libc;
  readonly backing: Backing;
  readonly routines: Routines | null;
  readonly scope: Scope;
}

/** How many of its operations were asked, and the first whose answers differ. */
function compareSequence({ libc, backing, routines, scope }: Kernel, sequence: Sequence): { readonly asked: number; readonly disagreement: Disagreement | null } {
  const fd = sequence.shared ? backing.createFile(sequence.pages) : backing.createPrivateFile(sequence.pages);
  if (fd === null) return { asked: 0, disagreement: null };
  scope.defer(() => void libc.close(fd));
  const kernelFile = openKernelFile({ libc, scope, routines, fd, reach: REACH, pages: sequence.pages, windows: sequence.windows, mapped: true });
  const model = openModel(sequence);
  for (const [index, operation] of sequence.operations.entries()) {
    // A memfd may be mapped privately, and holes of bytes be punched into it.
    if (backing.name === 'memfd' && operation.flags !== 0) return { asked: index, disagreement: null };
    if (operation.kind === Access.Fork && routines === null) return { asked: index, disagreement: null };
    const [predicted, found] = [model(operation), kernelFile.perform(operation)];
    if (!agree(predicted, found)) return { asked: index + 1, disagreement: { sequence: sequence.name, index, operation, model: predicted, kernel: found } };
  }
  return { asked: sequence.operations.length, disagreement: null };
}

/** Contents are compared where both have read one. */
const agree = (a: Ending, b: Ending): boolean => a.errno === b.errno && (a.value < 0 || b.value < 0 || a.value === b.value);

/** The model as a function of operations. */
export function openModel({ pages, windows, shared, slots }: Sequence): (operation: HostOperation) => Ending {
  const shape: Shape = {
    pages,
    folioOrder: 0,
    regionOrder: 9,
    largeBacking: false,
    spareFolios: slots * REACH + LRU_BATCH,
    windows: 2 * windows,
    childWindows: windows,
    mms: 2,
    cpus: 1,
    vcpus: 0,
    tasks: 1,
    slots: Math.max(1, slots),
    slotPages: REACH,
    chunk: 1,
    lruBatch: LRU_BATCH,
    initShared: shared,
    lazy: false,
    broadcastFlush: false,
    ownerRefs: 0,
    content: 'preserve',
    mmapAllowed: true,
  };
  const world = createWorld(shape, new Meter());
  for (let window = 0; window < windows; window++) openWindow(world, window, 0);
  const { program, entries } = buildHost(sigbusOnFault.rules({ check: 'refcount' }), shape);
  return ({ kind, page, count, slot, window, value, flags }) => {
    world.kind[0] = kind;
    world.page[0] = page;
    world.rangeStart[0] = page;
    world.rangeEnd[0] = page + count;
    world.slot[0] = slot;
    world.window[0] = window;
    world.value[0] = value;
    world.flags[0] = flags;
    const signalled = (name: 'SIGSEGV' | 'SIGBUS'): number => world.meter.count[Op[`signal.${name}`]];
    const before = { SIGSEGV: signalled('SIGSEGV'), SIGBUS: signalled('SIGBUS') };
    const ending = drive(world, 0, program, entries[kind]);
    if (kind !== Access.Fork) return ending;
    // The call went well; what counts is what its child met with.
    return { ...ending, errno: worstOf((['SIGSEGV', 'SIGBUS'] as const).filter((name) => signalled(name) > before[name])) };
  };
}
const LRU_BATCH = 31;

/** As much of a litmus file as the kernel can be asked; null where that is nothing. */
export function sequenceOf({ name, world, before, threads, buffers }: Litmus): Sequence | null {
  const { pages, shared, mmap, folioOrder, windowsPerProcess } = world;
  const sameState = shared.every((one) => one === shared[0]);
  if (!mmap || folioOrder !== 0 || !sameState) return null;
  const all = [...before.map(({ thread, operation }) => ({ process: threads[thread].process, operation })), ...threads.flatMap(({ process, operations }) => operations.map((operation) => ({ process, operation })))];
  const stop = all.findIndex(({ process, operation: { kind, flags, page } }) => process !== 0 || page === 'any' || !isRunnable({ kind: kind as AccessKind, flags }));
  const operations = (stop < 0 ? all : all.slice(0, stop)).map(({ operation }) => ({ ...operation, kind: operation.kind as AccessKind, page: Number(operation.page) }));
  return operations.length === 0 ? null : { name, pages, windows: windowsPerProcess, shared: shared[0], slots: buffers.length, operations };
}

const RANDOM_PAGES = 8;
const RANDOM_WINDOWS = 2;
const RANDOM_SLOTS = 2;
/** Random kinds, those that matter most several times. */
const KINDS = [
  Access.HostRead, Access.HostRead, Access.HostWrite, Access.HostWrite, Access.HostWrite, Access.Punch, Access.Allocate, Access.Unmap, Access.Map, Access.Map, Access.Copy, Access.Splice, Access.PinLong,
  Access.Unpin, Access.Fork,
] as const;

/** A sequence that a seed stands for. */
export function randomSequence(seed: number, length: number): Sequence {
  const random = createRandom(seed);
  const full = new Set<number>();
  const operations = Array.from({ length }, (): HostOperation => {
    const kind = KINDS[below(random, KINDS.length)];
    const slot = below(random, RANDOM_SLOTS);
    const page = below(random, RANDOM_PAGES);
    const isSingle = kind === Access.HostRead || kind === Access.HostWrite || kind === Access.Fork;
    const operation = { kind, page, count: isSingle ? 1 : 1 + below(random, RANDOM_PAGES - page), slot, window: below(random, RANDOM_WINDOWS), value: kind === Access.HostWrite ? 1 + below(random, 255) : 0, flags: 0 };
    // A buffer is filled once and dropped once; whether it was filled is the kernel's answer, so that it is dropped either way.
    if (kind !== Access.Splice && kind !== Access.PinLong && kind !== Access.Unpin) return operation;
    if (full.has(slot)) {
      if (kind === Access.Splice) return { ...operation, kind: Access.DeviceAccess, page: 0, count: 1 };
      full.delete(slot);
      return { ...operation, kind: Access.Unpin, page: 0, count: 1 };
    }
    if (kind === Access.Unpin) return { ...operation, kind: Access.HostRead, count: 1 };
    full.add(slot);
    return operation;
  });
  return { name: `random ${seed}`, pages: RANDOM_PAGES, windows: RANDOM_WINDOWS, shared: seed % 4 !== 3, slots: RANDOM_SLOTS, operations };
}
