/**
 * Random streams of accesses for the differential test, and the script that repeats one.
 *
 * Accesses come a second apart, which is longer than any of them takes, so that each is atomic whichever CPU does it.
 * Devices that hold a buffer end between two accesses, in the middle of a request's retries, or accesses later.
 */
import * as fc from 'fast-check';
import { Access } from '../../src/workloads/workload.ts';
import { CHECKS } from '../../src/policies/policy.ts';
import type { Check } from '../../src/policies/policy.ts';
import type { Workload } from '../../src/workloads/workload.ts';
import { SMALL_GUEST, openStreams } from '../tools/streams.ts';
import type { TimedAccess } from './model.ts';

const SECOND_NS = 1_000_000_000;
/** A place in the rests of a request that retries, never at the very end of one. */
const MID_RETRY_NS = 5_123_457;

export interface StreamSetup {
  readonly policy: string;
  readonly check: Check;
  readonly folioOrder: number;
  readonly pages: number;
  readonly windowsPerProcess: number;
  readonly processes: number;
  readonly lazy: boolean;
  /** One vCPU does everything, or four CPUs take turns. */
  readonly crowded: boolean;
  readonly launch: readonly (readonly [page: number, count: number])[];
}

export interface Stream {
  readonly setup: StreamSetup;
  readonly cpus: readonly { readonly process: number; readonly vcpu: boolean }[];
  readonly accesses: readonly TimedAccess[];
  /** Buffers that can be held, and their pages. */
  readonly slots: number;
  readonly slotPages: number;
}

const SLOTS = 4;
const SLOT_PAGES = 16;

export const POLICY_NAMES = ['sigbus-on-fault', 'folio-mmapped', 'refuse-mmap', 'disallow-gup', 'split-4k', 'separate-shared-memory', 'lower-bound', 'null'] as const;

interface RawAccess {
  readonly kind: number;
  readonly cpu: number;
  readonly page: number;
  readonly count: number;
  readonly slot: number;
  readonly window: number;
  readonly hold: number;
}

/** Kinds as often as they shall come; conversions are what it is all about. */
const ALL_KINDS = [
  Access.GuestRead, Access.GuestWrite, Access.GuestWrite,
  Access.HostRead, Access.HostRead, Access.HostWrite, Access.HostWrite,
  Access.ToShared, Access.ToShared, Access.ToShared, Access.ToShared,
  Access.ToPrivate, Access.ToPrivate, Access.ToPrivate, Access.ToPrivate,
  Access.Io, Access.PinShort, Access.PinLong, Access.Splice, Access.DeviceAccess, Access.Unpin,
  Access.Copy, Access.Punch, Access.Unmap, Access.Map, Access.Fork,
] as const;

export interface StreamSize {
  readonly folioOrders: readonly number[];
  readonly pages: readonly number[];
  /** Pages at which ranges begin; where absent, any page. */
  readonly places?: readonly number[];
  readonly counts: readonly number[];
  readonly accesses: number;
  /** Where absent, all. */
  readonly kinds?: readonly number[];
}

/** Streams of one size. Every stream prints as a script. */
export function streams({ folioOrders, pages, places, counts, accesses, kinds = ALL_KINDS }: StreamSize): fc.Arbitrary<Stream> {
  return fc
    .constantFrom(...pages)
    .chain((pageCount) => {
      const anyPage = places === undefined ? fc.nat(pageCount - 1) : fc.constantFrom(...places.filter((page) => page < pageCount));
      return fc.record({
        setup: fc.record({
          policy: fc.constantFrom(...POLICY_NAMES),
          check: fc.constantFrom(...CHECKS),
          folioOrder: fc.constantFrom(...folioOrders),
          pages: fc.constant(pageCount),
          windowsPerProcess: fc.integer({ min: 1, max: 3 }),
          processes: fc.integer({ min: 1, max: 2 }),
          lazy: fc.boolean(),
          crowded: fc.boolean(),
          launch: fc.array(anyPage.map((page): readonly [number, number] => [page, Math.min(3, pageCount - page)]), { maxLength: 2 }),
        }),
        raw: fc.array(
          fc.record({
            kind: fc.constantFrom(...kinds),
            cpu: fc.nat(3),
            page: anyPage,
            count: fc.constantFrom(...counts),
            slot: fc.nat(SLOTS - 1),
            window: fc.nat(3),
            hold: fc.nat(3),
          }),
          { minLength: 1, maxLength: accesses, size: 'max' },
        ),
      });
    })
    .map(({ setup, raw }) => streamOf(setup, raw));
}

/** Two vCPUs and a thread of the VMM in one process, a thread of another where there is one. */
const crowdOf = ({ processes }: StreamSetup): Stream['cpus'] => [
  { process: 0, vcpu: true },
  { process: 0, vcpu: true },
  { process: 0, vcpu: false },
  { process: processes - 1, vcpu: false },
];

/** Makes a legal stream of a random one: a slot is filled once, guests run on vCPUs, only requests and pins reach beyond the file. */
function streamOf(setup: StreamSetup, raw: readonly RawAccess[]): Stream {
  const cpus = setup.crowded ? crowdOf(setup) : [{ process: 0, vcpu: true }];
  const full = new Set<number>();
  const accesses = raw.map(({ kind, cpu, page, count, slot, window, hold }, index): TimedAccess => {
    const takes = kind === Access.PinShort || kind === Access.PinLong || kind === Access.Splice;
    const legalKind = takes && full.has(slot) ? Access.Unpin : kind;
    if (takes && !full.has(slot)) full.add(slot);
    else if (legalKind === Access.Unpin) full.delete(slot);
    const inSlot = takes || kind === Access.Io || kind === Access.Copy;
    const mayLeave = inSlot || kind === Access.ToShared || kind === Access.ToPrivate || kind === Access.Punch;
    const guest = kind === Access.GuestRead || kind === Access.GuestWrite || kind === Access.ToShared || kind === Access.ToPrivate;
    const fitting = mayLeave ? count : Math.min(count, setup.pages - page);
    return {
      cpu: (guest ? cpu % 2 : cpu) % cpus.length,
      kind: legalKind,
      page,
      count: inSlot ? Math.min(fitting, SLOT_PAGES) : fitting,
      slot,
      window,
      holdNs: hold === 0 ? 500 : hold * SECOND_NS + MID_RETRY_NS,
      atNs: (index + 1) * SECOND_NS,
    };
  });
  return printable({ setup, cpus, accesses, slots: SLOTS, slotPages: SLOT_PAGES });
}

/** The property checker prints a stream as its script. */
const printable = (stream: Stream): Stream => Object.assign(stream, { [fc.toStringMethod]: () => formatStream(stream) });

export interface WorkloadStreamOptions {
  readonly policy: string;
  readonly check?: Check;
  readonly lazy: boolean;
  readonly accesses: number;
}

/** What a workload does, its actors taking turns: each access alone, I/O in flight over none, one or two of the next. */
export async function streamOfWorkload(workload: Workload, { policy, check = 'refcount', lazy, accesses }: WorkloadStreamOptions): Promise<Stream> {
  const conversion = lazy ? 'lazy' : 'explicit';
  const windowsPerProcess = 2;
  const { opened, streams } = await openStreams(workload, { accessCount: accesses, conversion, windowsPerProcess });
  const turns = Math.max(...streams.map(({ length }) => length));
  const inTurn = Array.from({ length: turns }, (_, turn) => streams.flatMap((stream, cpu) => (turn < stream.length ? [{ ...stream[turn], cpu }] : []))).flat();
  return printable({
    setup: {
      policy,
      check,
      folioOrder: 0,
      pages: SMALL_GUEST.pageCount,
      windowsPerProcess,
      processes: 1 + Math.max(...opened.actors.map(({ process }) => process)),
      lazy,
      crowded: true,
      launch: opened.launch,
    },
    cpus: opened.actors.map(({ role, process }) => ({ process, vcpu: role === 'vcpu' })),
    accesses: inTurn.map((access, index) => ({ ...access, holdNs: access.holdNs + (index % 3) * SECOND_NS + 457, atNs: (index + 1) * SECOND_NS })),
    slots: opened.slots,
    slotPages: opened.slotPages,
  });
}

const KIND_NAMES = new Map<number, string>(Object.entries(Access).map(([name, kind]) => [kind, name]));

/** The stream as a script, one access a line: what a failure prints. */
export function formatStream({ setup, accesses }: Stream): string {
  const { policy, check, lazy, folioOrder, pages, windowsPerProcess, processes, launch } = setup;
  const head = `${policy}, check ${check}, ${lazy ? 'lazy' : 'explicit'}, order ${folioOrder}, ${pages} pages, ${processes} x ${windowsPerProcess} windows, launch ${JSON.stringify(launch)}`;
  return [head, ...accesses.map(formatAccess)].join('\n');
}

export function formatAccess({ cpu, kind, page, count, slot, window, holdNs }: TimedAccess, index: number): string {
  return `  ${index}: cpu ${cpu} ${KIND_NAMES.get(kind) ?? kind} [${page}, ${page + count}) window ${window} slot ${slot} hold ${holdNs}`;
}
