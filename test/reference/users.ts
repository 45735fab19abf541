/**
 * Users of pages on the reference machine: GUP and those who hold what it took. Source: mm/gup.c.
 */
import { addReference, bump, count, dropReference, entryFor, folioAt, isGuests } from './machine.ts';
import type { Machine, Range, Reference, Window } from './machine.ts';
import { copyRange, covers, faultIn, remap } from './hostSide.ts';

/** How somebody wants to hold pages: a short pin, a long-term pin, or a get (vmsplice). */
export type Hold = 'short-pin' | 'long-pin' | 'get';

/** What a request for a buffer ends with: references, a bounce buffer in their place, or nothing. */
export type Buffer = { readonly kind: 'held'; readonly references: readonly Reference[] } | { readonly kind: 'bounced' | 'refused' };

/** Pins or gets every page of the range or none; a private page is EFAULT and no signal. */
export function take(machine: Machine, cpu: number, window: Window, range: Range, hold: Hold): Buffer {
  const { gupAllowed } = machine.setup.rules;
  // Where GUP is refused the VMM copies its short I/O through a buffer of its own.
  if (!gupAllowed && hold === 'short-pin') return { kind: copyRange(machine, cpu, window, range) ? 'bounced' : 'refused' };
  if (!remap(machine, window)) return { kind: 'refused' };
  const references: Reference[] = [];
  for (let page = range[0]; page < range[1]; page++) {
    const taken = gupAllowed ? takePage(machine, cpu, window, page, hold) : undefined;
    if (taken !== undefined) {
      references.push(taken);
      continue;
    }
    bump(machine.errors.gup, 'EFAULT');
    release(machine, references);
    return { kind: 'refused' };
  }
  return { kind: 'held', references };
}

function takePage(machine: Machine, cpu: number, window: Window, page: number, hold: Hold): Reference | undefined {
  if (page >= machine.setup.pages || !covers(window, page)) return undefined;
  if (entryFor(window, page) === undefined && faultIn(machine, cpu, window, page) !== 'OK') return undefined;
  const folio = folioAt(machine, page);
  if (folio === undefined) throw new Error(`page ${page} has an entry and no folio`);
  return addReference(folio, hold === 'get' ? 'get' : 'pin', page);
}

/** The device or kernel user reaches the data through its references; an orphan's is no longer the page's. */
export function useReferences(machine: Machine, references: readonly Reference[]): void {
  count(machine, 'device.access', references.length);
  reach(machine, references);
}

/** Who drops them could reach the data up to then; only what a pipe has is read with it. */
export function useReferencesLast(machine: Machine, references: readonly Reference[]): void {
  count(machine, 'device.access', references.filter(({ kind }) => kind === 'get').length);
  reach(machine, references);
}

function reach(machine: Machine, references: readonly Reference[]): void {
  for (const { folio, page } of references) {
    if (!folio.inFile) count(machine, 'access.orphan');
    else if (isGuests(machine, page)) count(machine, 'access.rogue');
  }
}

export function release(machine: Machine, references: readonly Reference[]): void {
  count(machine, 'gup.release', references.length);
  for (const reference of references) dropReference(machine, reference);
}

/** Devices whose I/O is done by now touch their buffers a last time and drop them. */
export function releaseDue(machine: Machine): void {
  const due = machine.devices.filter(({ dueNs }) => dueNs < machine.nowNs).sort((a, b) => a.dueNs - b.dueNs);
  machine.devices = machine.devices.filter(({ dueNs }) => dueNs >= machine.nowNs);
  for (const { references } of due) {
    useReferences(machine, references);
    release(machine, references);
  }
}
