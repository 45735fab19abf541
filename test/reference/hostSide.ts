/**
 * The host's side of the reference machine: faults, loads and stores, mmap, munmap, fork, punch, and the walk that unmaps.
 * Sources: mm/memory.c, mm/vma.c, virt/kvm/guest_memfd.c.
 */
import type { ErrnoName } from '../../src/model/errno.ts';
import { LRU_BATCH, TABLE_PAGES, addReference, bump, count, dropReference, entryFor, fillRegion, folioAt, headOf, isGuests, isPrivate, mapcount, noEntries, regionOf, zapStage2 } from './machine.ts';
import type { Folio, Machine, Range, Window } from './machine.ts';

export type Outcome = 'OK' | ErrnoName;

/* ---- folios ---- */

/** kvm_gmem_get_folio: finds the folio of the page, or makes a cleared one, which waits in the LRU batch of this CPU. */
export function getFolio(machine: Machine, cpu: number, page: number): Folio {
  const found = folioAt(machine, page);
  if (found !== undefined) return found;
  const { folioOrder, rules } = machine.setup;
  const folio: Folio = { head: headOf(machine, page), inFile: true, references: [] };
  machine.folios.set(folio.head, folio);
  count(machine, 'folio.alloc');
  count(machine, 'pageCache.insert');
  count(machine, 'page.clear', machine.folioPages);
  if (folioOrder > 0 && !machine.backed.has(regionOf(page))) {
    machine.backed.add(regionOf(page));
    if (rules.splits) {
      count(machine, 'folio.split', TABLE_PAGES);
      const others = fillRegion(machine, page);
      count(machine, 'pageCache.insert', others);
      count(machine, 'page.clear', others);
    }
  }
  if (machine.folioPages === 1) {
    if (machine.batches[cpu].length === LRU_BATCH) drainBatch(machine, cpu);
    machine.batches[cpu].push(addReference(folio, 'lru-batch', page));
    count(machine, 'lru.add');
  }
  return folio;
}

/** The same in guest_memfd, where what is shared has a memory of its own: a small page. */
export function getOwnPage(machine: Machine, page: number): void {
  if (machine.ownPages.has(page)) return;
  machine.ownPages.add(page);
  count(machine, 'folio.alloc');
  count(machine, 'pageCache.insert');
  count(machine, 'page.clear');
}

function drainBatch(machine: Machine, cpu: number): void {
  for (const reference of machine.batches[cpu].splice(0)) dropReference(machine, reference);
}

/** lru_add_drain_all: work on every CPU that has something in its batch. */
export function drainAll(machine: Machine): void {
  for (const [cpu, batch] of machine.batches.entries()) {
    if (batch.length === 0) continue;
    count(machine, 'lru.drainWork');
    drainBatch(machine, cpu);
  }
}

/* ---- loads, stores and faults ---- */

export const covers = ({ vmas }: { readonly vmas: readonly Range[] }, page: number): boolean => vmas.some(([start, end]) => start <= page && page < end);

/** A load or store that the page table translates. */
export function touch(machine: Machine, window: Window, page: number, write: boolean): boolean {
  const entry = entryFor(window, page);
  if (entry === undefined) return false;
  if (write) entry.dirty = true;
  count(machine, 'host.access');
  if (isGuests(machine, page)) count(machine, 'access.rogue');
  return true;
}

/** A page fault exception, and what the handler answers. */
export function fault(machine: Machine, cpu: number, window: Window, page: number): Outcome {
  count(machine, 'host.fault');
  return faultIn(machine, cpu, window, page);
}

/** handle_mm_fault: a signal, or an entry. */
export function faultIn(machine: Machine, cpu: number, window: Window, page: number): Outcome {
  // A VMA of these machines never reaches beyond the end of the file.
  if (!covers(window, page)) return 'SIGSEGV';
  if (isGuests(machine, page)) return 'SIGBUS';
  getFolio(machine, cpu, page);
  count(machine, 'pte.set');
  if (machine.neighbours.delete(page)) count(machine, 'fault.neighbour');
  const region = regionOf(page);
  if (isForPmd(machine, window, region)) {
    window.pmds.set(region, { dirty: false });
    for (const other of pagesOfRegion(region)) machine.neighbours.delete(other);
  } else {
    window.tables.add(region);
    window.entries.set(page, { dirty: false });
  }
  return 'OK';
}

const pagesOfRegion = (region: number): readonly number[] => Array.from({ length: TABLE_PAGES }, (_, at) => region * TABLE_PAGES + at);

/** One entry for the region: of a large folio that is shared and covered as a whole, where there is no table. */
function isForPmd(machine: Machine, window: Window, region: number): boolean {
  if (machine.folioPages < TABLE_PAGES || window.tables.has(region)) return false;
  return pagesOfRegion(region).every((page) => !isGuests(machine, page) && covers(window, page));
}

/** A thread's own load or store: what the handler refuses becomes a signal. */
export function loadOrStore(machine: Machine, cpu: number, window: Window, page: number, write: boolean): boolean {
  while (!touch(machine, window, page, write)) {
    const outcome = fault(machine, cpu, window, page);
    if (outcome === 'OK') continue;
    count(machine, outcome === 'SIGSEGV' ? 'signal.SIGSEGV' : 'signal.SIGBUS');
    return false;
  }
  return true;
}

/** The kernel copies to or from each page for a process: an error where a thread would get a signal. */
export function copyRange(machine: Machine, cpu: number, window: Window, [start, end]: Range): boolean {
  for (let page = start; page < end; page++) {
    while (!touch(machine, window, page, true)) {
      if (fault(machine, cpu, window, page) === 'OK') continue;
      bump(machine.errors.gup, 'EFAULT');
      return false;
    }
    count(machine, 'page.copy');
  }
  return true;
}

/* ---- unmapping ---- */

/** flush_tlb_mm_range: up to 33 entries one by one, more all at once; a process that runs on no CPU has nothing to flush. `doer`: whose CPU it is. */
function flush(machine: Machine, process: number, cpu: number, entries: number, doer = machine.setup.cpus[cpu].process): void {
  const others = machine.setup.cpus.filter((other, index) => index !== cpu && other.process === process).length;
  if (doer !== process && others === 0) return;
  count(machine, 'tlb.flush');
  if (doer === process) count(machine, entries > 33 ? 'tlb.flushAll' : 'tlb.flushEntry', entries > 33 ? 1 : entries);
  if (others > 0) count(machine, 'tlb.ipi', others);
}

/** What a gather has cleared and not flushed: pages from the first to the last, and whether they were PMDs alone. */
interface Cleared {
  start: number;
  end: number;
  readonly regions: Set<number>;
  hasSmall: boolean;
}

const entriesOf = ({ start, end, regions, hasSmall }: Cleared): number => (hasSmall ? end - start : Math.max(...regions) - Math.min(...regions) + 1);

/**
 * Clears the entries of a range with one mmu_gather: a page table with dirty entries is flushed at once, before its lock
 * is dropped; what is left is flushed at the end. A PMD is one entry, and waits for its flush though it is dirty.
 */
export function zap(machine: Machine, cpu: number, window: Window, [start, end]: Range, wanted?: Range, doer?: number): void {
  let pending: Cleared | undefined;
  const clear = (first: number, last: number, region?: number): void => {
    pending ??= { start: first, end: last, regions: new Set(), hasSmall: false };
    pending.end = last;
    if (region === undefined) pending.hasSmall = true;
    else pending.regions.add(region);
  };
  for (let table = regionOf(start); table * TABLE_PAGES < end; table++) {
    let dirty = false;
    if (window.pmds.delete(table)) {
      const pages = pagesOfRegion(table);
      count(machine, 'pte.zap');
      const isNeighbour = (page: number): boolean => wanted !== undefined && (page < wanted[0] || page >= wanted[1]);
      if (pages.every(isNeighbour)) count(machine, 'pte.zapNeighbour');
      for (const page of pages) if (isNeighbour(page)) machine.neighbours.add(page);
      clear(pages[0], pages[0] + TABLE_PAGES, table);
      // A part of it cannot stay: it is split, and flushed there and then.
      dirty = start > pages[0] || end < pages[0] + TABLE_PAGES;
    }
    for (let page = Math.max(start, table * TABLE_PAGES); page < Math.min(end, (table + 1) * TABLE_PAGES); page++) {
      const entry = window.entries.get(page);
      if (entry === undefined) continue;
      window.entries.delete(page);
      count(machine, 'pte.zap');
      if (wanted !== undefined && (page < wanted[0] || page >= wanted[1])) {
        count(machine, 'pte.zapNeighbour');
        machine.neighbours.add(page);
      }
      clear(page, page + 1);
      dirty ||= entry.dirty;
    }
    if (dirty && pending !== undefined) {
      flush(machine, window.process, cpu, entriesOf(pending), doer);
      pending = undefined;
    }
  }
  if (pending !== undefined) flush(machine, window.process, cpu, entriesOf(pending), doer);
}

/** unmap_mapping_pages: zaps the range in every VMA that overlaps it, whether or not anything was ever faulted there. */
export function unmapEverywhere(machine: Machine, cpu: number, range: Range, wanted: Range): void {
  count(machine, 'rmap.walk');
  for (const window of machine.windows) {
    for (const vma of window.vmas) {
      const start = Math.max(vma[0], range[0]);
      const end = Math.min(vma[1], range[1]);
      if (start >= end) continue;
      count(machine, 'vma.visit');
      zap(machine, cpu, window, [start, end], wanted);
    }
  }
}

/* ---- mmap and munmap ---- */

function setVmas(machine: Machine, window: Window, covered: (page: number) => boolean): void {
  const vmas: Range[] = [];
  let start = -1;
  for (let page = 0; page <= machine.setup.pages; page++) {
    const inside = page < machine.setup.pages && covered(page);
    if (inside && start < 0) start = page;
    if (!inside && start >= 0) {
      vmas.push([start, page]);
      start = -1;
    }
  }
  window.vmas = vmas;
}

/** munmap of a range: VMAs across its edges are split, those inside removed, entries zapped. */
export function munmap(machine: Machine, cpu: number, window: Window, [start, end]: Range): void {
  count(machine, 'munmap');
  const inside = window.vmas.filter((vma) => vma[0] < end && start < vma[1]);
  if (inside.length === 0) return;
  count(machine, 'vma.remove', inside.length);
  const splits = inside.filter((vma) => vma[0] < start).length + inside.filter((vma) => end < vma[1]).length;
  if (splits > 0) count(machine, 'vma.split', splits);
  const before = { vmas: window.vmas };
  setVmas(machine, window, (page) => (page < start || page >= end) && covers(before, page));
  // Each process unmaps what is its own, on a CPU of its own.
  zap(machine, cpu, window, [start, end], undefined, window.process);
  for (const table of window.tables) if (!pagesOfRegion(table).some((page) => covers(window, page))) window.tables.delete(table);
}

/** mmap of a range at its place in the window; the file's hook may refuse. */
export function mmap(machine: Machine, window: Window, [start, end]: Range): Outcome {
  count(machine, 'mmap');
  const refusal = mmapHook(machine, [start, end]);
  if (refusal !== 'OK') {
    bump(machine.errors.mmap, refusal);
    return refusal;
  }
  count(machine, 'vma.insert');
  const merges = (covers(window, start - 1) ? 1 : 0) + (covers(window, end) ? 1 : 0);
  if (merges > 0) count(machine, 'vma.merge', merges);
  const before = { vmas: window.vmas };
  setVmas(machine, window, (page) => (page >= start && page < end) || covers(before, page));
  return 'OK';
}

function mmapHook(machine: Machine, [start, end]: Range): Outcome {
  const { conversion } = machine.setup.rules;
  if (conversion === 'no-vma-at-all' && machine.privatePages.size > 0) return 'EBUSY';
  if (conversion !== 'no-vma-over-folio') return 'OK';
  for (let page = start; page < end; page++) if (isPrivate(machine, page)) return 'EPERM';
  return 'OK';
}

/** The VMM of `refuse-mmap` tries to map again whatever it finds unmapped; every other one has what it has. */
export function remap(machine: Machine, window: Window): boolean {
  if (machine.setup.rules.conversion !== 'no-vma-at-all' || window.vmas.length > 0) return true;
  return mmap(machine, window, [0, machine.setup.pages]) === 'OK';
}

/** fork, a touch of the page through each mapping by the child, and its exit. VMAs are copied, entries are not. */
export function fork(machine: Machine, cpu: number, process: number, page: number): void {
  count(machine, 'fork');
  const mapped = machine.windows.filter((window) => window.process === process && window.vmas.length > 0);
  count(machine, 'fork.vma', mapped.reduce((sum, { vmas }) => sum + vmas.length, 0));
  flush(machine, process, cpu, Number.POSITIVE_INFINITY);
  const child: readonly Window[] = mapped.map(({ vmas }) => ({ process: machine.setup.processes, vmas: [...vmas], ...noEntries() }));
  machine.windows.push(...child);
  for (const window of child) loadOrStore(machine, cpu, window, page, false);
  for (const window of child) munmap(machine, cpu, window, [0, machine.setup.pages]);
  machine.windows.splice(machine.windows.length - child.length);
  // Every mapping that the child could have had is unmapped at its exit, and an empty one costs its call too.
  count(machine, 'munmap', machine.setup.windowsPerProcess - child.length);
}

/* ---- punch ---- */

/**
 * fallocate(PUNCH_HOLE): whole folios of the range leave the file, whoever holds them; shareability stays. One that is held
 * lives on as an orphan, and the index gets a new folio at its next fault.
 */
export function punch(machine: Machine, cpu: number, range: Range): void {
  punchFile(machine, cpu, range);
  if (machine.setup.rules.conversion === 'two-memories') punchOwnPages(machine, range);
}

/** The same in guest_memfd, where what is shared has a memory of its own. */
export function punchOwnPages(machine: Machine, [start, end]: Range): void {
  zapStage2(machine, start, end);
  for (let page = start; page < end; page++) {
    if (!machine.ownPages.delete(page)) continue;
    count(machine, 'pageCache.remove');
    count(machine, 'folio.free');
  }
}

export function punchFile(machine: Machine, cpu: number, [start, end]: Range): void {
  zapStage2(machine, start, end);
  // A memfd is unmapped as a whole first, to the page.
  if (machine.setup.rules.conversion === 'two-memories') unmapEverywhere(machine, cpu, [start, end], [start, end]);
  for (const folio of [...machine.folios.values()].sort((a, b) => a.head - b.head)) {
    if (folio.head < start || folio.head + machine.folioPages > end) continue;
    const range: Range = [folio.head, folio.head + machine.folioPages];
    if (mapcount(machine, folio) > 0) unmapEverywhere(machine, cpu, range, range);
    machine.folios.delete(folio.head);
    folio.inFile = false;
    count(machine, 'pageCache.remove');
    if (folio.references.length === 0) count(machine, 'folio.free');
  }
}
