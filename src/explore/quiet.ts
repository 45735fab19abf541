/**
 * Quiet: what a litmus leaves in peace, so that steps about it need not stand alone.
 *
 * A thing is quiet where at most one thread can look at it, or where nobody changes it, as far as the operations of the
 * threads and the rules of the policy go. It is asked once a machine. Where a policy has a step without a mark nothing is
 * quiet: nobody knows what that step looks at.
 */
import type { HostRules } from '../model/host.ts';
import { Mark } from '../model/step.ts';
import type { Program, Quietable } from '../model/step.ts';
import { firstDevice, isWorked } from '../model/shape.ts';
import type { Shape } from '../model/shape.ts';
import type { Check } from '../policies/policy.ts';
import { Access } from '../workloads/workload.ts';
import { operationsOf } from './litmus.ts';
import type { Litmus } from './litmus.ts';
import { buffersOf, mayRemoveFolios } from './litmusShape.ts';
import { noExposure } from './sentences.ts';

export interface QuietOptions {
  readonly litmus: Litmus;
  readonly shape: Shape;
  readonly rules: HostRules;
  readonly check: Check | undefined;
  readonly program: Program;
}

const USES_STAGE2: ReadonlySet<number> = new Set([Access.GuestRead, Access.GuestWrite, Access.ToShared, Access.ToPrivate, Access.Punch, Access.Close, Access.Map]);
const CHANGES_VMAS: ReadonlySet<number> = new Set([Access.Map, Access.Unmap, Access.Fork, Access.Close]);
/** Whatever the check of the policy reads. */
const READS_MAPCOUNTS: ReadonlySet<number> = new Set([Access.ToReadOnly]);

/** What is quiet in a litmus under a policy. */
export function quietIn({ litmus, shape, rules, check, program }: QuietOptions): ReadonlySet<Quietable> {
  if (program.marks.some((mark, at) => mark === Mark.None && at > 0)) return new Set();
  const { threads } = litmus;
  const users = (kinds: ReadonlySet<number>): number => threads.filter(({ operations }) => operations.some(({ kind }) => kinds.has(kind))).length;
  const vmmMaps = rules.vmm?.beforeToPrivate !== undefined || rules.vmm?.afterRequest !== undefined || rules.vmm?.remapsOnAccess === true;
  const removes = threads.some(({ operations }) => operations.some((operation) => mayRemoveFolios(operation, litmus, shape.keeps)));
  const quiet: Readonly<Record<Quietable, boolean>> = {
    stage2: users(USES_STAGE2) <= 1,
    // A thread of the host that converts kicks every vCPU; a vCPU does not kick itself.
    kicks: users(USES_STAGE2) <= 1 && threads.every(({ role, operations }) => shape.vcpus === (role === 'vcpu' ? 1 : 0) || !operations.some(({ kind }) => USES_STAGE2.has(kind))),
    vmas: users(CHANGES_VMAS) === 0 && !vmmMaps,
    wishes: !shape.lazy,
    pincounts: shape.folioOrder === 0,
    // Who registers a put callback reads them.
    mapcounts: check === 'refcount' && !isWorked(shape) && shape.folioOrder === 0 && !removes && users(READS_MAPCOUNTS) === 0,
    slots: !removes && litmus.buffers.every((_, buffer) => threads.filter(({ operations }) => buffersOf(operations).includes(buffer)).length <= 1) && shape.tasks === firstDevice(shape),
    lru: shape.lruBatch === 0,
    contents: shape.content === 'none',
    // An entry that was there before the threads begin is one too.
    secondaries: !operationsOf(litmus).some(({ kind }) => kind === Access.SecondaryMap),
    data: shape.content === 'none' && litmus.always.includes(noExposure.name),
  };
  return new Set((Object.keys(quiet) as Quietable[]).filter((what) => quiet[what]));
}

/** The marks of a program's steps in a litmus. */
export function marksWhere(quiet: ReadonlySet<Quietable>, { marks, whenQuiet }: Pick<Program, 'marks' | 'whenQuiet'>): Uint8Array {
  return marks.map((mark, at) => {
    const when = whenQuiet[at];
    return when !== undefined && quiet.has(when[0]) ? when[1] : mark;
  });
}
