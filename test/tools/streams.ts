/** Reading the streams of a workload in tests: as lists of plain accesses, as text, and checked against what a guest asked for. */
import type { StreamOptions } from '../../src/workloads/streams.ts';
import { Access, createBatch } from '../../src/workloads/workload.ts';
import type { Actor, OpenedWorkload, Workload, WorkloadOptions } from '../../src/workloads/workload.ts';

export interface PlainAccess {
  readonly kind: number;
  readonly page: number;
  readonly count: number;
  readonly slot: number;
  readonly window: number;
  readonly holdNs: number;
  readonly atNs: number;
}

/** A guest of 8 MiB, the smallest, with two vCPUs. */
export const SMALL_GUEST: WorkloadOptions = {
  pageCount: 2048,
  accessCount: 4000,
  seed: 1,
  vcpus: 2,
  processes: 1,
  windowsPerProcess: 1,
  conversion: 'explicit',
  dma: 'pool',
  io: 'direct',
  pace: 'closed',
};

/** Everything that an actor does. The batch begins full of rubbish, as one that was used before. */
export async function accessesOf(actor: Actor, batchLength = 4096): Promise<readonly PlainAccess[]> {
  const batch = createBatch(batchLength);
  for (const column of Object.values(batch) as readonly Uint8Array[]) column.fill(77);
  const accesses: PlainAccess[] = [];
  for (;;) {
    const filled = await actor.fill(batch);
    if (filled === 0) return accesses;
    for (let i = 0; i < filled; i++) {
      accesses.push({
        kind: batch.kind[i],
        page: batch.page[i],
        count: batch.count[i],
        slot: batch.slot[i],
        window: batch.window[i],
        holdNs: batch.holdNs[i],
        atNs: batch.atNs[i],
      });
    }
  }
}

export async function openStreams(workload: Workload, options: Partial<StreamOptions> = {}, batchLength = 4096) {
  const opened = await workload.open({ ...SMALL_GUEST, ...options });
  const streams = await Promise.all(opened.actors.map((actor) => accessesOf(actor, batchLength)));
  return { opened, streams };
}

const KIND_NAMES = new Map(Object.entries(Access).map(([name, kind]) => [kind as number, name]));

/** One access as text: `ToShared 0+64`, `Io 12+2 hold 20000`, `PinLong 8+8 slot 1`. */
export function textOf({ kind, page, count, slot, window, holdNs, atNs }: PlainAccess): string {
  const usesSlot = kind === Access.PinShort || kind === Access.PinLong || kind === Access.Splice || kind === Access.DeviceAccess || kind === Access.Unpin;
  return [
    `${KIND_NAMES.get(kind)} ${page}`,
    count === 1 ? '' : `+${count}`,
    usesSlot ? ` slot ${slot}` : '',
    window === 0 ? '' : ` window ${window}`,
    holdNs === 0 ? '' : ` hold ${holdNs}`,
    atNs === 0 ? '' : ` at ${atNs}`,
  ].join('');
}

/** How often each kind of access comes, by name. */
export function kindCounts(stream: readonly PlainAccess[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { kind } of stream) {
    const name = KIND_NAMES.get(kind) ?? `kind ${kind}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

const FILLS: ReadonlySet<number> = new Set([Access.PinShort, Access.PinLong, Access.Splice]);
const HOST_USES: ReadonlySet<number> = new Set([Access.HostRead, Access.HostWrite, Access.Io, Access.Copy, ...FILLS]);
const SLOT_COLUMN: ReadonlySet<number> = new Set([...FILLS, Access.DeviceAccess, Access.Unpin]);
const WINDOW_COLUMN: ReadonlySet<number> = new Set([...HOST_USES, Access.Unmap, Access.Map]);
const RANGES: ReadonlySet<number> = new Set([Access.ToShared, Access.ToPrivate, Access.Io, Access.Copy, Access.Punch, Access.Unmap, Access.Map, ...SLOT_COLUMN]);

/** What is wrong with the columns and the slots of a stream, in sentences; empty where all is well. */
export function formFaults(stream: readonly PlainAccess[], { slots, slotPages }: OpenedWorkload, { pageCount, windowsPerProcess }: WorkloadOptions): readonly string[] {
  const faults: string[] = [];
  const held = new Map<number, string>();
  for (const [position, access] of stream.entries()) {
    const { kind, page, count, slot, window, holdNs } = access;
    const fault = (what: string) => faults.push(`${position}: ${textOf(access)}: ${what}`);
    const beyondOnPurpose = kind === Access.ToShared && page >= pageCount && count === 1;
    if (!KIND_NAMES.has(kind)) fault('no kind of access');
    if (count < 1 || (count !== 1 && !RANGES.has(kind))) fault('a count where there is none');
    if (page + count > pageCount && !beyondOnPurpose) fault('beyond the end of the file');
    if (slot !== 0 && !SLOT_COLUMN.has(kind)) fault('a slot where there is none');
    if (window >= windowsPerProcess || (window !== 0 && !WINDOW_COLUMN.has(kind))) fault('a window where there is none');
    if (holdNs > 0 !== (kind === Access.Io || (kind === Access.Copy && holdNs > 0))) fault('a time that is not held');
    if ((FILLS.has(kind) || kind === Access.Io) && count > slotPages) fault('more pages than a slot has');
    if (!SLOT_COLUMN.has(kind)) continue;
    if (slot >= slots) fault('no such slot');
    if (FILLS.has(kind)) {
      if (held.has(slot)) fault('the slot is filled');
      held.set(slot, `${page}+${count}`);
    } else if (held.get(slot) !== `${page}+${count}`) fault('the slot does not hold that');
    if (kind === Access.Unpin) held.delete(slot);
  }
  return faults;
}

export interface GuestView {
  /** Where the host did something that the guest had not allowed, in sentences. */
  readonly faults: readonly string[];
  /** Pages that the stream converts. */
  readonly converted: ReadonlySet<number>;
  /** Pages whose last request was to share them. */
  readonly leftShared: ReadonlySet<number>;
  /** Slots that are still filled. */
  readonly leftHeld: ReadonlySet<number>;
}

/** A guest that believes what it asks for: the host may use what was asked to be shared before, where it is mapped. */
export function interpret(stream: readonly PlainAccess[], { pageCount }: WorkloadOptions): GuestView {
  const faults: string[] = [];
  const converted = new Set<number>();
  const leftShared = new Set<number>();
  const leftHeld = new Set<number>();
  const unmapped = new Set<string>();
  for (const [position, access] of stream.entries()) {
    const { kind, page, count, slot, window } = access;
    if (FILLS.has(kind)) leftHeld.add(slot);
    if (kind === Access.Unpin) leftHeld.delete(slot);
    for (let at = page; at < Math.min(page + count, pageCount); at++) {
      if (kind === Access.ToShared || kind === Access.ToPrivate) converted.add(at);
      if (kind === Access.ToShared) leftShared.add(at);
      if (kind === Access.ToPrivate) leftShared.delete(at);
      if (kind === Access.Unmap) unmapped.add(`${window}:${at}`);
      if (kind === Access.Map) unmapped.delete(`${window}:${at}`);
      if (!HOST_USES.has(kind)) continue;
      if (!leftShared.has(at)) faults.push(`${position}: ${textOf(access)}: page ${at} was not asked for`);
      if (unmapped.has(`${window}:${at}`)) faults.push(`${position}: ${textOf(access)}: page ${at} is not mapped`);
    }
  }
  return { faults, converted, leftShared, leftHeld };
}
