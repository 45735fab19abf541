/**
 * Kept entries: how a page of a window stays write-protected while its entry maps nothing. The question of the family.
 *
 *     marker     not present, a type of its own: pte_none_mostly, and whoever sees swap entries has to know it
 *     protnone   pte_present: PROTNONE and the pfn of the zero page, so that vm_normal_page() finds nothing to count
 *     nothing    the bit goes with the entry
 *
 * A special case is a place in the kernel that has to know of them where it did not before; each is an operation, counted where it is met.
 * Source: Hugh Dickins and Peter Xu, "Don't fault around userfaultfd-registered regions on reads", 2 and 3 Dec 2020; include/linux/swapops.h.
 */
import { Gauge } from '../gauges.ts';
import { EntryBit, EntryType, OF_VMA, isMarker, tableAt } from '../memory/entries.ts';
import { ZERO_FRAME } from '../memory/frames.ts';
import { Backing } from '../memory/windows.ts';
import { Op } from '../operations.ts';
import type { ShmemWorld } from './world.ts';

export type Kept = 'nothing' | 'marker' | 'protnone';

/** How a policy keeps write-protection, and what else of the protocol it decides. */
export interface WpRules {
  readonly keeps: Kept;
  /** A fault for a read may map neighbours in a window that a userfaultfd is armed for. */
  readonly aroundArmed: boolean;
  /** fork copies the page tables of a window whose child stays armed (vma_needs_copy). */
  readonly forkCopies: boolean;
  /** The first walk of a hole punch, which holds no folio lock, keeps what is write-protected. */
  readonly punchKeeps: boolean;
  /** Wrong on purpose: a zap drops the page-table lock between clearing the entry and keeping its bit. */
  readonly keepsLater?: boolean;
}

const FAKE = EntryBit.Present | EntryBit.ProtNone | EntryBit.UffdWp;
const FAKE_TARGET = ZERO_FRAME + 1;

/** Whether an entry maps nothing and is there for its bit alone. In an anonymous window the zero page is never PROTNONE otherwise. */
export const isKept = (bits: number, target: number): boolean => isMarker(bits) || (target === FAKE_TARGET && (bits & FAKE) === FAKE);

export const isFake = (bits: number, target: number): boolean => target === FAKE_TARGET && (bits & FAKE) === FAKE;

/** pte_none: and nothing kept. */
export const isEmpty = (bits: number): boolean => (bits & (EntryBit.Present | EntryBit.Type)) === 0;

/** pte_present of an entry that maps a page. */
export const maps = (bits: number, target: number): boolean => (bits & EntryBit.Present) !== 0 && !isFake(bits, target);

/** The page table is allocated where it is not there. */
export function needTable(world: ShmemWorld, window: number, page: number): void {
  const table = tableAt(world, window, page);
  if (world.tableThere[table] !== 0) return;
  world.tableThere[table] = 1;
  world.meter.move(Gauge.tables, 1);
}

/** Writes an entry, and counts what is kept. The bits of the VMA stay. */
export function setEntry(world: ShmemWorld, window: number, page: number, bits: number, target: number): void {
  const at = window * world.shape.pages + page;
  const { entry, entryTarget } = world;
  const before = isKept(entry[at], entryTarget[at]) ? 1 : 0;
  entry[at] = (entry[at] & OF_VMA) | bits;
  entryTarget[at] = target;
  const change = (isKept(entry[at], target) ? 1 : 0) - before;
  if (change === 0) return;
  const table = tableAt(world, window, page);
  const kept = world.tableKept[table];
  world.tableKept[table] = kept + change;
  world.meter.move(Gauge.keptEntries, change);
  if (kept === 0 || kept + change === 0) world.meter.move(Gauge.keptTables, change);
}

/** Puts a kept entry where there is none, as the policy keeps it; nothing under `nothing`. */
export function keepProtection(world: ShmemWorld, window: number, page: number, keeps: Kept): void {
  if (keeps === 'nothing') return;
  if (keeps === 'marker') setEntry(world, window, page, EntryType.Marker | EntryBit.UffdWp, 0);
  else setEntry(world, window, page, FAKE, FAKE_TARGET);
  world.meter.charge(Op['wp.keep']);
}

/** Places that have to know of kept entries: rows of the debate. */
export type SpecialCase = 'none' | 'swap' | 'present' | 'numa' | 'fork' | 'gup' | 'pagemap' | 'fault';

/** Somebody met a kept entry in a place where it is a case of its own. */
export function noteSpecial(world: ShmemWorld, place: SpecialCase, times = 1): void {
  if (times > 0) world.meter.noteMany(Op[`special.${place}`], times);
}

/**
 * A walk met kept entries: one that is not present looks like a swap entry there, one that is present like a page.
 * @param keeps how the policy keeps them
 */
export const noteWalked = (world: ShmemWorld, keeps: Kept, times: number): void => noteSpecial(world, keeps === 'marker' ? 'swap' : 'present', times);

export const isAnonymous = ({ windowBacking }: ShmemWorld, window: number): boolean => windowBacking[window] === Backing.Anonymous;
