/**
 * The reference machine: guest_memfd, its mappings and its users as plain objects, written from what the kernel does and
 * not from the model it judges. Slow, obvious, and every access is one atomic step.
 *
 * A counter is never kept where it can be computed: refcount, mapcount and pincount are sums over the lists of those who
 * hold a folio, with the kernel's arithmetic (include/linux/mm.h, mm/gup.c).
 */
import type { ErrnoName } from '../../src/model/errno.ts';
import type { OperationName } from '../../src/model/operations.ts';
import type { Check } from '../../src/policies/policy.ts';

/** 512 entries in a page table, and 512 pages behind a large stage-2 leaf. */
export const TABLE_PAGES = 512;
/** A FOLL_PIN on a folio of one page (GUP_PIN_COUNTING_BIAS). */
const PIN_BIAS = 1024;
/** Folios that wait in a CPU's LRU batch before it drains by itself (PAGEVEC_SIZE). */
export const LRU_BATCH = 31;

export type Range = readonly [start: number, end: number];

/** What a policy does differently; see `rulesOf`. */
export interface Rules {
  /** `ignore`: requests do nothing; `bare`: the bare change; `two-memories`: private pages have one of their own; else who has to see to it that nothing is mapped. */
  readonly conversion: 'ignore' | 'bare' | 'kernel-unmaps' | 'no-vma-over-folio' | 'no-vma-at-all' | 'two-memories';
  readonly gupAllowed: boolean;
  /** Folios are small whatever the memory behind them is. */
  readonly splits: boolean;
  /** References that keep a folio unmovable. */
  readonly ownerRefs: number;
}

export interface Setup {
  readonly rules: Rules;
  readonly check: Check;
  readonly pages: number;
  /** Order of the memory behind the file. */
  readonly folioOrder: number;
  readonly lazy: boolean;
  readonly windowsPerProcess: number;
  readonly processes: number;
  /** One a CPU: its process, and whether it runs the guest. */
  readonly cpus: readonly { readonly process: number; readonly vcpu: boolean }[];
  readonly launch: readonly Range[];
}

/** A reference on a folio beside the page cache's, the owner's and the mappings': who has it, and on which of its pages. */
export interface Reference {
  readonly kind: 'pin' | 'get' | 'lru-batch';
  readonly folio: Folio;
  readonly page: number;
}

export interface Folio {
  readonly head: number;
  /** False for an orphan: punched, and still held by somebody. */
  inFile: boolean;
  references: Reference[];
}

/** One mmap call of the file by one process. */
export interface Window {
  readonly process: number;
  /** VMAs, in order, never touching one another. */
  vmas: Range[];
  /** Present entries of its page tables, by page; the tables that there are, by region. */
  readonly entries: Map<number, { dirty: boolean }>;
  readonly tables: Set<number>;
  /** Regions that one entry maps, in the place of a table. */
  readonly pmds: Map<number, { dirty: boolean }>;
}

export interface Slot {
  readonly kind: 'held' | 'bounced' | 'refused';
  readonly references: readonly Reference[];
}

export interface Machine {
  readonly setup: Setup;
  /** Pages of one folio, as core-mm sees it. */
  readonly folioPages: number;
  nowNs: number;
  readonly privatePages: Set<number>;
  /** Pages that the guest asked to share; pages whose request was given up. */
  readonly asked: Set<number>;
  readonly degraded: Set<number>;
  /** Private pages that were within reach in this private interval. */
  readonly exposed: Set<number>;
  /** Pages that lost their entry only because they share a folio with a converted one. */
  readonly neighbours: Set<number>;
  /** The page cache, by head page. */
  readonly folios: Map<number, Folio>;
  /** Pages that guest_memfd has, where what is shared has a memory of its own: that is the page cache. */
  readonly ownPages: Set<number>;
  /** Regions that were taken from the pool. */
  readonly backed: Set<number>;
  /** What stage-2 maps: single pages, and whole regions. */
  readonly leaves: Set<number>;
  readonly largeLeaves: Set<number>;
  /** What each CPU remembers of stage-2, by set: names of leaves, the oldest first. */
  readonly translations: Map<string, string[]>[];
  /** Those of the first process first; a forked child's come last while it lives. */
  readonly windows: Window[];
  /** The LRU batch of each CPU. */
  readonly batches: Reference[][];
  readonly slots: Map<number, Slot>;
  /** I/O in flight. */
  devices: { readonly dueNs: number; readonly references: readonly Reference[] }[];
  readonly counts: Map<OperationName, number>;
  readonly errors: Readonly<Record<'mmap' | 'gup' | 'convert', Map<ErrnoName, number>>>;
  readonly requests: Readonly<Record<'toPrivate' | 'toShared', RequestCounts>>;
}

export interface RequestCounts {
  requested: number;
  pages: number;
  succeeded: number;
  timedOut: number;
  gaveUp: number;
  attempts: number;
  readonly refused: Map<ErrnoName, number>;
}

/** A mapping that nobody has touched yet. */
export const noEntries = (): Pick<Window, 'entries' | 'tables' | 'pmds'> => ({ entries: new Map(), tables: new Set(), pmds: new Map() });

/** The entry that maps a page, alone or with its region. */
export const entryFor = ({ entries, pmds }: Window, page: number): { dirty: boolean } | undefined => entries.get(page) ?? pmds.get(regionOf(page));

const noRequests = (): RequestCounts => ({ requested: 0, pages: 0, succeeded: 0, timedOut: 0, gaveUp: 0, attempts: 0, refused: new Map() });

/** The machine at t = 0: explicit runs start private, lazy ones shared; the launch image is in the guest's hands. */
export function createMachine(setup: Setup): Machine {
  const { rules, pages, folioOrder, lazy, windowsPerProcess, processes, cpus, launch } = setup;
  const startsShared = lazy || rules.conversion === 'ignore';
  const needsUnmapped = rules.conversion === 'no-vma-over-folio' || rules.conversion === 'no-vma-at-all';
  const machine: Machine = {
    setup,
    folioPages: rules.splits ? 1 : 1 << folioOrder,
    nowNs: 0,
    privatePages: new Set(startsShared ? [] : Array.from({ length: pages }, (_, page) => page)),
    asked: new Set(),
    degraded: new Set(),
    exposed: new Set(),
    neighbours: new Set(),
    folios: new Map(),
    ownPages: new Set(),
    backed: new Set(),
    leaves: new Set(),
    largeLeaves: new Set(),
    translations: cpus.map(() => new Map()),
    windows: Array.from({ length: processes * windowsPerProcess }, (_, index) => ({
      process: Math.floor(index / windowsPerProcess),
      vmas: needsUnmapped && !startsShared ? [] : [[0, pages]],
      ...noEntries(),
    })),
    batches: cpus.map(() => []),
    slots: new Map(),
    devices: [],
    counts: new Map(),
    errors: { mmap: new Map(), gup: new Map(), convert: new Map() },
    requests: { toPrivate: noRequests(), toShared: noRequests() },
  };
  for (const [start, end] of launch) {
    for (let page = start; page < end; page++) {
      const head = headOf(machine, page);
      if (isApart(machine, page)) {
        machine.ownPages.add(page);
        mapStage2(machine, page);
        continue;
      }
      if (!machine.folios.has(head)) machine.folios.set(head, { head, inFile: true, references: [] });
      if (folioOrder > 0 && !machine.backed.has(regionOf(page))) {
        machine.backed.add(regionOf(page));
        if (rules.splits) fillRegion(machine, page);
      }
      mapStage2(machine, page);
    }
  }
  return machine;
}

/** Small folios over a large page come into the file all at once. Returns how many were not there. */
export function fillRegion(machine: Machine, page: number): number {
  const start = regionOf(page) * TABLE_PAGES;
  let filled = 0;
  for (let other = start; other < Math.min(start + TABLE_PAGES, machine.setup.pages); other++) {
    if (machine.folios.has(other)) continue;
    machine.folios.set(other, { head: other, inFile: true, references: [] });
    filled++;
  }
  return filled;
}

export const headOf = ({ folioPages }: Machine, page: number): number => page - (page % folioPages);
export const regionOf = (page: number): number => Math.floor(page / TABLE_PAGES);
export const isPrivate = (machine: Machine, page: number): boolean => machine.privatePages.has(page);
/** Whether the guest has the page in guest_memfd, and the host another at its index. */
export const isApart = (machine: Machine, page: number): boolean => machine.setup.rules.conversion === 'two-memories' && isPrivate(machine, page);
/** Whether the page at this index is the guest's alone. */
export const isGuests = (machine: Machine, page: number): boolean => isPrivate(machine, page) && !isApart(machine, page);
export const folioAt = (machine: Machine, page: number): Folio | undefined => machine.folios.get(headOf(machine, page));
export const pagesOf = ({ folioPages }: Machine, { head }: Folio): readonly number[] => Array.from({ length: folioPages }, (_, at) => head + at);

export function count(machine: Machine, operation: OperationName, times = 1): void {
  machine.counts.set(operation, (machine.counts.get(operation) ?? 0) + times);
}

export function bump<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/* ---- the kernel's arithmetic ---- */

/** folio_mapcount: present entries of any of its pages, in any window; a PMD is one. */
export function mapcount(machine: Machine, folio: Folio): number {
  if (!folio.inFile) return 0;
  let mappings = 0;
  for (const { entries, pmds } of machine.windows) {
    for (let page = folio.head; page < folio.head + machine.folioPages; page++) {
      if (entries.has(page)) mappings++;
      if (page % TABLE_PAGES === 0 && pmds.has(regionOf(page))) mappings++;
    }
  }
  return mappings;
}

/** _pincount, which only large folios have. */
export const pincount = ({ references }: Folio): number => references.filter(({ kind }) => kind === 'pin').length;

/** References without those of mappings and users: one a page of the page cache, and the owner's. */
export const ownReferences = ({ folioPages, setup: { rules } }: Machine, { inFile }: Folio): number => (inFile ? folioPages + rules.ownerRefs : 0);

export function refcount(machine: Machine, folio: Folio): number {
  const pin = machine.folioPages === 1 ? PIN_BIAS : 1;
  const held = folio.references.reduce((sum, { kind }) => sum + (kind === 'pin' ? pin : 1), 0);
  return ownReferences(machine, folio) + mapcount(machine, folio) + held;
}

/** folio_maybe_dma_pinned. */
export const maybePinned = (machine: Machine, folio: Folio): boolean =>
  machine.folioPages === 1 ? refcount(machine, folio) >= PIN_BIAS : pincount(folio) > 0;

/** Ways by which the host could reach the data of the page that now stands at this index. */
export function waysTo(machine: Machine, page: number): number {
  const held = folioAt(machine, page)?.references.filter((reference) => reference.page === page && reference.kind !== 'lru-batch').length ?? 0;
  return held + machine.windows.filter((window) => entryFor(window, page) !== undefined).length;
}

export function addReference(folio: Folio, kind: Reference['kind'], page: number): Reference {
  const reference: Reference = { kind, folio, page };
  folio.references.push(reference);
  return reference;
}

export function dropReference(machine: Machine, reference: Reference): void {
  const { folio } = reference;
  folio.references = folio.references.filter((other) => other !== reference);
  if (!folio.inFile && folio.references.length === 0) count(machine, 'folio.free');
}

/* ---- stage-2 ---- */

export const stage2Maps = (machine: Machine, page: number): boolean => machine.leaves.has(page) || machine.largeLeaves.has(regionOf(page));

/** A large leaf needs large memory behind it and one shareability over the whole region; it takes the place of small ones. */
export function mapStage2(machine: Machine, page: number): void {
  const { pages, folioOrder } = machine.setup;
  const region = regionOf(page);
  const all = Array.from({ length: TABLE_PAGES }, (_, at) => region * TABLE_PAGES + at);
  const uniform = all.every((other) => isPrivate(machine, other) === isPrivate(machine, page));
  if (folioOrder === 0 || isApart(machine, page) || (region + 1) * TABLE_PAGES > pages || !uniform || all.some((other) => folioAt(machine, other) === undefined)) {
    machine.leaves.add(page);
    return;
  }
  machine.largeLeaves.add(region);
  for (const other of all) machine.leaves.delete(other);
}

/** Clears what stage-2 maps of the range; a large leaf that reaches beyond it is split first. */
export function zapStage2(machine: Machine, start: number, end: number): void {
  const zapped = machine.counts.get('stage2.zap') ?? 0;
  for (const region of machine.largeLeaves) {
    const first = region * TABLE_PAGES;
    if (first + TABLE_PAGES <= start || first >= end) continue;
    machine.largeLeaves.delete(region);
    if (start <= first && first + TABLE_PAGES <= end) {
      count(machine, 'stage2.zap');
      continue;
    }
    count(machine, 'stage2.split');
    for (let page = first; page < first + TABLE_PAGES; page++) machine.leaves.add(page);
  }
  for (const page of machine.leaves) {
    if (page < start || page >= end) continue;
    machine.leaves.delete(page);
    count(machine, 'stage2.zap');
  }
  // Every vCPU leaves the guest for that, and comes back with nothing.
  if ((machine.counts.get('stage2.zap') ?? 0) > zapped) for (const translation of machine.translations) translation.clear();
}

/** A CPU of the guest reaches the page: it walks the tables unless its set of four still has the leaf. */
export function translate(machine: Machine, cpu: number, page: number): void {
  const large = machine.largeLeaves.has(regionOf(page));
  const leaf = large ? regionOf(page) : page;
  const set = String(leaf % 512);
  const name = `${large ? '2M' : '4K'} ${leaf}`;
  const known = machine.translations[cpu].get(set) ?? [];
  if (known.includes(name)) return;
  count(machine, large ? 'guest.tlbMiss2M' : 'guest.tlbMiss4K');
  machine.translations[cpu].set(set, [...known, name].slice(-4));
}
