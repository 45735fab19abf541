/**
 * Huge folios and the PMDs that map them: one entry for all pages of a region. A PMD is a mark on the page table, and all entries of the
 * region say the same; its one reference and its one mapping are counted at the head.
 *
 * Source: mm/huge_memory.c (do_huge_pmd_anonymous_page, __split_huge_pmd_locked). PageAnonExclusive of a folio that a PMD maps is the
 * head's flag; here all pages have it, and it changes on all of them in one step, so that nothing is left to do when the PMD is split.
 */
import { EntryBit, TableBit, entryAt, isNone, tableAt } from '../memory/entries.ts';
import { FrameBit, allocateHuge, hugeOf } from '../memory/frames.ts';
import { WindowFlag } from '../memory/windows.ts';
import { Op } from '../operations.ts';
import { UserError } from '../userError.ts';
import type { AnonymousWorld } from './world.ts';

export const isPmd = (world: AnonymousWorld, window: number, page: number): boolean => (world.table[tableAt(world, window, page)] & TableBit.Pmd) !== 0;

export const isHugetlb = ({ windowFlags }: AnonymousWorld, window: number): boolean => (windowFlags[window] & WindowFlag.Hugetlb) !== 0;

/**
 * Whether a range cannot begin or end at this page: it would leave a part of a hugetlb folio on either side, in a VMA that has both.
 * Source: mm/hugetlb.c (hugetlb_vm_op_split).
 */
export const cutsHugetlb = (world: AnonymousWorld, window: number, page: number): boolean =>
  isHugetlb(world, window) && page < world.shape.pages && page !== regionStart(world, page) && (world.entry[entryAt(world, window, page)] & EntryBit.NoVma) === 0;

/** The first page of the region of a page, and how many there are in it. */
export const regionStart = ({ shape: { regionOrder } }: AnonymousWorld, page: number): number => (page >> regionOrder) << regionOrder;
export const regionPages = ({ shape: { regionOrder } }: AnonymousWorld): number => 1 << regionOrder;

/** Whether a fault may map the region with a PMD: the VMA wants it and covers it, and nothing is there yet. */
export function fitsPmd(world: AnonymousWorld, window: number, page: number): boolean {
  if ((world.windowFlags[window] & (WindowFlag.Huge | WindowFlag.Hugetlb)) === 0 || isPmd(world, window, page)) return false;
  const first = regionStart(world, page);
  const end = first + regionPages(world);
  if (end > world.shape.pages) return false;
  for (let at = first; at < end; at++) {
    const bits = world.entry[entryAt(world, window, at)];
    if (!isNone(bits) || bits & EntryBit.NoVma) return false;
  }
  return true;
}

/** A folio of the pool, where small ones will not do. @throws UserError where the pool is empty */
export function allocateHugetlb(world: AnonymousWorld): number {
  const head = allocateHuge(world);
  if (head < 0) throw new UserError({ what: 'the pool of hugetlb folios is empty', why: `this world has ${world.shape.hugeFolios} of them`, fix: 'give it more: `huge-folios` of a litmus file' });
  return head;
}

/** Maps the folio with this head by a PMD; its reference is the caller's to give. */
export function setPmd(world: AnonymousWorld, window: number, page: number, head: number, bits: number): void {
  const first = regionStart(world, page);
  world.table[tableAt(world, window, page)] |= TableBit.Pmd;
  for (let nth = 0; nth < regionPages(world); nth++) {
    const at = entryAt(world, window, first + nth);
    world.entry[at] = (world.entry[at] & (EntryBit.NoVma | EntryBit.ReadOnlyVma)) | bits;
    world.entryTarget[at] = head + nth + 1;
    world.frameMaps[head + nth]++;
  }
  world.hugeMaps[hugeOf(world, head)]++;
  world.meter.charge(Op['pte.set']);
}

/** Clears the PMD and gives the head of its folio; mappings and reference stay counted. */
export function clearPmd(world: AnonymousWorld, window: number, page: number): number {
  const first = regionStart(world, page);
  const head = world.entryTarget[entryAt(world, window, first)] - 1;
  world.table[tableAt(world, window, page)] &= ~TableBit.Pmd;
  for (let at = entryAt(world, window, first); at < entryAt(world, window, first + regionPages(world)); at++) {
    world.entry[at] &= EntryBit.NoVma | EntryBit.ReadOnlyVma;
    world.entryTarget[at] = 0;
  }
  return head;
}

/** Drops the one mapping of a PMD. */
export function removePmdMapping(world: AnonymousWorld, head: number): void {
  for (let nth = 0; nth < regionPages(world); nth++) world.frameMaps[head + nth]--;
  world.hugeMaps[hugeOf(world, head)]--;
}

/** Changes bits of all entries of the region. */
export function changePmd(world: AnonymousWorld, window: number, page: number, clear: number, set: number): void {
  const first = entryAt(world, window, regionStart(world, page));
  for (let at = first; at < first + regionPages(world); at++) world.entry[at] = (world.entry[at] & ~clear) | set;
}

/** Changes flags of all pages of the folio with this head. */
export function changeFlags(world: AnonymousWorld, head: number, clear: number, set: number): void {
  for (let nth = 0; nth < regionPages(world); nth++) world.frameFlags[head + nth] = (world.frameFlags[head + nth] & ~clear) | set;
}

/** The PMD becomes a page table: each entry is a mapping with a reference. */
export function splitPmd(world: AnonymousWorld, window: number, page: number): void {
  const head = world.entryTarget[entryAt(world, window, regionStart(world, page))] - 1;
  world.table[tableAt(world, window, page)] &= ~TableBit.Pmd;
  world.hugeMaps[hugeOf(world, head)] += regionPages(world) - 1;
  world.frameRefs[head] += regionPages(world) - 1;
  world.meter.charge(Op['pmd.split']);
}

/** Flags and count of a huge folio that is new and anonymous, and its owner's alone. */
export const NEW_ANONYMOUS = FrameBit.Anon | FrameBit.Exclusive | FrameBit.UpToDate;
