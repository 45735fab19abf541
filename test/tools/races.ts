/**
 * Races: small programs of two or three threads, each a question that only exploration can answer.
 *
 * A race says who does what; which policy, check and shape it runs under is added where it is explored.
 */
import type { Litmus } from './litmusMachine.ts';
import { a } from './scripted.ts';
import type { ScriptedAccess, ScriptedActor } from './scripted.ts';

export type Race = Pick<Litmus, 'threads' | 'before'>;

const vcpu = (...accesses: readonly ScriptedAccess[]): ScriptedActor => ({ role: 'vcpu', accesses });
const vmm = (...accesses: readonly ScriptedAccess[]): ScriptedActor => ({ role: 'vmm', accesses });
/** A thread of another process that has mapped the file. */
const other = (...accesses: readonly ScriptedAccess[]): ScriptedActor => ({ role: 'vmm', process: 1, accesses });

const mappedClean = [[1, a.hostRead(0)]] as const;
const mappedDirty = [[1, a.hostWrite(0)]] as const;

export const races = {
  /** GUP-fast of a mapped page against its conversion. */
  pin: { before: mappedClean, threads: [vcpu(a.toPrivate(0)), vmm(a.pinShort(0, 0))] },
  /** The same by a user that takes FOLL_GET and reads later. */
  splice: { before: mappedClean, threads: [vcpu(a.toPrivate(0)), vmm(a.splice(0, 0))] },
  /** Two pages pinned, one converted, and the pin goes. */
  pinAndUnpin: { before: mappedClean, threads: [vcpu(a.toPrivate(0)), vmm(a.pinShort(0, 0, 2), a.unpin(0))] },
  /** A host fault in flight against a conversion. */
  fault: { threads: [vcpu(a.toPrivate(0)), vmm(a.hostRead(0))] },
  /** Two host threads fault the same page at once, while it is converted. */
  twoFaults: { threads: [vcpu(a.toPrivate(0)), vmm(a.hostRead(0)), vmm(a.hostWrite(0))] },
  /** A munmap, its gather window, and a reader on another CPU. */
  munmapClean: { before: mappedClean, threads: [vcpu(a.toPrivate(0)), vmm(a.unmap(0, 2)), vmm(a.hostRead(0))] },
  munmapDirty: { before: mappedDirty, threads: [vcpu(a.toPrivate(0)), vmm(a.unmap(0, 2)), vmm(a.hostRead(0))] },
  /** munmap against a conversion, nobody reads. */
  munmapAloneDirty: { before: mappedDirty, threads: [vcpu(a.toPrivate(0)), vmm(a.unmap(0, 2))] },
  /** mmap and a first touch against a conversion. */
  mmap: { before: [[1, a.unmap(0, 2)]], threads: [vcpu(a.toPrivate(0)), vmm(a.map(0, 2), a.hostRead(0))] },
  /** A converter, a faulting host thread, a pinning one. */
  threeActors: { before: mappedClean, threads: [vcpu(a.toPrivate(0)), vmm(a.hostWrite(0)), vmm(a.pinShort(0, 0))] },
  /** There and back again, with a host thread that touches the page twice. */
  thereAndBack: { before: mappedClean, threads: [vcpu(a.toPrivate(0), a.toShared(0)), vmm(a.hostWrite(0), a.hostRead(0))] },
  /** A vCPU's fault in flight against a conversion by another vCPU. */
  guestFault: { threads: [vcpu(a.toPrivate(0)), vcpu(a.guestWrite(0))] },
  /** Another vCPU faults in a region of which a part changes side, there and back. */
  largeLeaf: { before: [[0, a.guestWrite(0)]], threads: [vcpu(a.toPrivate(1), a.toShared(1)), vcpu(a.guestWrite(0), a.guestWrite(1))] },
  /** Two conversions of overlapping ranges. */
  twoConversions: { before: mappedClean, threads: [vcpu(a.toPrivate(0), a.toShared(0)), vcpu(a.toPrivate(0, 2))] },
  /** fork against a conversion: the child faults the page through its copy of the mapping. */
  fork: { before: mappedClean, threads: [vcpu(a.toPrivate(0)), vmm(a.fork(0))] },
  /** Two processes that touch the page through mappings of their own. */
  twoProcesses: { threads: [vcpu(a.toPrivate(0)), vmm(a.hostRead(0)), other(a.hostRead(0))] },
  /** The page is mapped in two processes before the conversion begins, dirty in one of them. */
  mappedTwice: { before: [[1, a.hostWrite(0)], [2, a.hostRead(0)]], threads: [vcpu(a.toPrivate(0)), vmm(), other()] },
  /** The page before the converted one is pinned. */
  neighbourPinned: { before: [[1, a.pinLong(0, 0)]], threads: [vcpu(a.toPrivate(1)), vmm(a.hostWrite(1))] },
  /** An I/O with a device of its own. */
  io: { before: mappedClean, threads: [vcpu(a.toPrivate(0)), vmm(a.io(0))] },
  /** Buffered I/O: a copy through the mapping. */
  copy: { before: mappedClean, threads: [vcpu(a.toPrivate(0)), vmm(a.copy(0, 2))] },
  /** A long-term pin that comes and goes, with an access by its device. */
  longTermPin: { threads: [vcpu(a.toPrivate(0)), vmm(a.pinLong(0, 0), a.device(0), a.unpin(0))] },
  /** A hole is punched while somebody pins, and a new folio comes into its place. */
  punchPinned: { before: mappedClean, threads: [vcpu(a.punch(0, 2)), vmm(a.pinShort(0, 0), a.unpin(0)), vmm(a.hostWrite(0))] },
  /** A hole is punched under a vCPU's fault and a host's. */
  punchFaulted: { before: mappedClean, threads: [vcpu(a.punch(0, 2)), vcpu(a.guestWrite(0)), vmm(a.hostWrite(0))] },
  /** A guest's first touch in a lazy run donates the page that a host thread uses. */
  donation: { before: mappedClean, threads: [vcpu(a.guestWrite(1)), vmm(a.splice(0, 0))] },
} as const satisfies Readonly<Record<string, Race>>;
