/** One access of a workload on the reference machine, as one atomic operation. */
import { Access } from '../../src/workloads/workload.ts';
import { count, isApart, isPrivate, mapStage2, stage2Maps, translate } from './machine.ts';
import type { Machine, Range } from './machine.ts';
import { convert } from './conversions.ts';
import { copyRange, fork, getFolio, getOwnPage, loadOrStore, mmap, munmap, punch, remap } from './hostSide.ts';
import { release, releaseDue, take, useReferences, useReferencesLast } from './users.ts';
import type { Hold } from './users.ts';

/** An access, the CPU that does it, and when. */
export interface TimedAccess {
  readonly cpu: number;
  readonly kind: number;
  readonly page: number;
  readonly count: number;
  readonly slot: number;
  readonly window: number;
  readonly holdNs: number;
  readonly atNs: number;
}

/** Does one access; every earlier one is over. */
export function perform(machine: Machine, access: TimedAccess): void {
  machine.nowNs = access.atNs;
  releaseDue(machine);
  count(machine, complete(machine, access) ? 'access.done' : 'access.failed');
}

/** @returns whether it did what it was for */
function complete(machine: Machine, { cpu, kind, page, count: pages, slot, window: nth, holdNs }: TimedAccess): boolean {
  const { cpus, windowsPerProcess, rules } = machine.setup;
  const { process } = cpus[cpu];
  const window = machine.windows[process * windowsPerProcess + (nth % windowsPerProcess)];
  const range: Range = [page, page + pages];
  const held = machine.slots.get(slot)?.references ?? [];
  const hold = (how: Hold): boolean => {
    const buffer = take(machine, cpu, window, range, how);
    machine.slots.set(slot, buffer.kind === 'held' ? buffer : { kind: buffer.kind, references: [] });
    return buffer.kind !== 'refused' && worked(pages);
  };
  const worked = (done: number): true => {
    count(machine, 'work.done', done);
    return true;
  };
  switch (kind) {
    case Access.GuestRead:
    case Access.GuestWrite:
      return guestAccess(machine, cpu, page) && worked(1);
    case Access.HostRead:
    case Access.HostWrite:
      return remap(machine, window) && loadOrStore(machine, cpu, window, page, kind === Access.HostWrite) && worked(1);
    case Access.ToShared:
    case Access.ToPrivate:
      return rules.conversion === 'ignore' || convert(machine, { cpu, range, toPrivate: kind === Access.ToPrivate, donation: false });
    case Access.ToReadOnly:
      return false; // No policy here has such a state.
    case Access.Io: {
      const buffer = take(machine, cpu, window, range, 'short-pin');
      if (buffer.kind === 'held') machine.devices.push({ dueNs: machine.nowNs + holdNs, references: buffer.references });
      return buffer.kind !== 'refused' && worked(pages);
    }
    case Access.PinShort:
      return hold('short-pin');
    case Access.PinLong:
      return hold('long-pin');
    case Access.Splice:
      return hold('get');
    case Access.DeviceAccess:
      useReferences(machine, held);
      return worked(held.length);
    case Access.Unpin:
      useReferencesLast(machine, held);
      release(machine, held);
      machine.slots.delete(slot);
      return true;
    case Access.Copy:
      return remap(machine, window) && copyRange(machine, cpu, window, range) && worked(pages);
    case Access.Punch:
      punch(machine, cpu, range);
      return true;
    case Access.Unmap:
      munmap(machine, cpu, window, range);
      return true;
    case Access.Map:
      return mmap(machine, window, range) === 'OK';
    case Access.Fork:
      fork(machine, cpu, process, page);
      return true;
    default:
      throw new Error(`access kind ${kind} is unknown`);
  }
}

/** A load or store of the guest; in a lazy run the first touch of what the guest did not ask to share donates it. */
function guestAccess(machine: Machine, cpu: number, page: number): boolean {
  const { lazy, rules } = machine.setup;
  while (!stage2Maps(machine, page)) {
    count(machine, 'stage2.fault');
    const donates = lazy && rules.conversion !== 'ignore' && !isPrivate(machine, page) && !machine.asked.has(page) && !machine.degraded.has(page);
    if (donates) convert(machine, { cpu, range: [page, page + 1], toPrivate: true, donation: true });
    if (isApart(machine, page)) getOwnPage(machine, page);
    else getFolio(machine, cpu, page);
    mapStage2(machine, page);
    count(machine, 'stage2.map');
  }
  count(machine, 'guest.access');
  translate(machine, cpu, page);
  if (machine.degraded.has(page)) count(machine, 'access.degraded');
  return true;
}
