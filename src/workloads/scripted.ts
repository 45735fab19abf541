/** A workload made of lists of accesses, one list an actor: for tests, and for scenes that are small enough to be told step by step. */
import { Access } from './workload.ts';
import type { Actor, Batch, OpenedWorkload, Workload } from './workload.ts';

export interface ScriptedAccess {
  readonly kind: number;
  readonly page?: number;
  readonly count?: number;
  readonly slot?: number;
  readonly window?: number;
  readonly holdNs?: number;
  readonly atNs?: number;
  /** What only engines without clocks set: the content that a write leaves, and `TaskFlag` bits that the access begins with. */
  readonly value?: number;
  readonly flags?: number;
}

export interface ScriptedActor {
  readonly role?: 'vcpu' | 'vmm';
  readonly process?: number;
  readonly accesses: readonly ScriptedAccess[];
}

export interface ScriptedOptions {
  readonly actors: readonly ScriptedActor[];
  readonly slots?: number;
  readonly slotPages?: number;
  readonly ioDepth?: number;
  readonly launch?: OpenedWorkload['launch'];
}

function actorOf({ role = 'vcpu', process = 0, accesses }: ScriptedActor, index: number): Actor {
  let next = 0;
  return {
    name: `${role}${index}`,
    role,
    process,
    fill(batch: Batch): number {
      const count = Math.min(batch.kind.length, accesses.length - next);
      for (let at = 0; at < count; at++) {
        const { kind, page = 0, count: pages = 1, slot = 0, window = 0, holdNs = 0, atNs = 0 } = accesses[next++];
        batch.kind[at] = kind;
        batch.page[at] = page;
        batch.count[at] = pages;
        batch.slot[at] = slot;
        batch.window[at] = window;
        batch.holdNs[at] = holdNs;
        batch.atNs[at] = atNs;
      }
      return count;
    },
  };
}

export const scriptedActors = (actors: readonly ScriptedActor[]): readonly Actor[] => actors.map(actorOf);

export function scripted({ actors, slots = 16, slotPages = 64, ioDepth = 8, launch = [] }: ScriptedOptions): Workload {
  return {
    name: 'scripted',
    summary: 'a list of accesses',
    open: () => ({ actors: scriptedActors(actors), slots, slotPages, ioDepth, launch, notes: [] }),
  };
}

/** Short names for scripts. */
export const a = {
  guestRead: (page: number): ScriptedAccess => ({ kind: Access.GuestRead, page }),
  guestWrite: (page: number, value = 0): ScriptedAccess => ({ kind: Access.GuestWrite, page, value }),
  hostRead: (page: number, window = 0): ScriptedAccess => ({ kind: Access.HostRead, page, window }),
  hostWrite: (page: number, window = 0, value = 0): ScriptedAccess => ({ kind: Access.HostWrite, page, window, value }),
  toShared: (page: number, count = 1): ScriptedAccess => ({ kind: Access.ToShared, page, count }),
  toPrivate: (page: number, count = 1): ScriptedAccess => ({ kind: Access.ToPrivate, page, count }),
  toReadOnly: (page: number, count = 1): ScriptedAccess => ({ kind: Access.ToReadOnly, page, count }),
  io: (page: number, count = 1, holdNs = 50_000): ScriptedAccess => ({ kind: Access.Io, page, count, holdNs }),
  pinShort: (slot: number, page: number, count = 1): ScriptedAccess => ({ kind: Access.PinShort, slot, page, count }),
  pinLong: (slot: number, page: number, count = 1): ScriptedAccess => ({ kind: Access.PinLong, slot, page, count }),
  splice: (slot: number, page: number, count = 1): ScriptedAccess => ({ kind: Access.Splice, slot, page, count }),
  device: (slot: number): ScriptedAccess => ({ kind: Access.DeviceAccess, slot }),
  unpin: (slot: number): ScriptedAccess => ({ kind: Access.Unpin, slot }),
  copy: (page: number, count = 1): ScriptedAccess => ({ kind: Access.Copy, page, count }),
  punch: (page: number, count = 1): ScriptedAccess => ({ kind: Access.Punch, page, count }),
  allocate: (page: number, count = 1): ScriptedAccess => ({ kind: Access.Allocate, page, count }),
  unmap: (page: number, count = 1, window = 0): ScriptedAccess => ({ kind: Access.Unmap, page, count, window }),
  map: (page: number, count = 1, window = 0): ScriptedAccess => ({ kind: Access.Map, page, count, window }),
  fork: (page: number): ScriptedAccess => ({ kind: Access.Fork, page }),
  close: (): ScriptedAccess => ({ kind: Access.Close }),
  secondaryMap: (page: number, window = 0): ScriptedAccess => ({ kind: Access.SecondaryMap, page, window }),
  secondaryAccess: (page: number): ScriptedAccess => ({ kind: Access.SecondaryAccess, page }),
} as const;
