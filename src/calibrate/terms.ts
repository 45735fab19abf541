/**
 * Terms: what a call costs beside the operations of the model.
 *
 * They are of what the model has no state for: the host's TLB, which whoever has flushed fills anew in all that he does after it, dirty
 * pages of a file, and the statistics of a folio's first and last mapping. And each call has work around what the model knows of it, once (`call.*`).
 */
import { Op } from '../model/operations.ts';
import { OPERATIONS_MEASURED } from './points.ts';
import type { MeasuredOperation, Place } from './points.ts';

/** Of a load or a store, and of a system call that does nothing, there is nothing around the work; what there is around a fork is its price. */
const CALLS: readonly string[] = Object.keys(OPERATIONS_MEASURED).flatMap((operation) =>
  /^(?:syscall|fault|mixed|fork|sigbus|punch\.one)/.test(operation) ? [] : /^gup\.(?:get|pin)/.test(operation) ? [operation, faulting(operation)] : [operation],
);
function faulting(operation: string): string {
  return `${operation}.faulting`;
}

/** Those that may flush. */
const FLUSHING: readonly string[] = ['punch', 'zap', 'munmap'];

export const TERMS: readonly { readonly name: string; readonly summary: string }[] = [
  ...FLUSHING.map((operation) => ({ name: `refill.${operation}`, summary: `walk the page tables anew in what a call of ${operation} does after its flush, and behind it` })),
  { name: 'entry.dirty', summary: 'clear an entry that is dirty, beside what clearing any entry costs' },
  { name: 'fault.write', summary: 'a fault for writing, beside what one for reading costs: the page is marked dirty for its file' },
  { name: 'mapping.last', summary: 'drop the last mapping of a page, beside what dropping any mapping costs: it is counted as mapped no more' },
  { name: 'attribute.page', summary: 'reserve and store the attribute of one page: KVM keeps those of a virtual machine page by page, the model by ranges' },
  { name: 'attribute.flush', summary: 'have the vCPUs, none of which runs, forget the stage-2 leaves that a conversion has cleared' },
  ...CALLS.map((operation) => ({ name: `call.${operation}`, summary: `what a call of ${operation} does around the work that the model knows` })),
];
const indexOf = (name: string): number => TERMS.findIndex((term) => term.name === name);
const DIRTY = indexOf('entry.dirty');
const WRITE = indexOf('fault.write');
const LAST = indexOf('mapping.last');
const ATTRIBUTE = indexOf('attribute.page');
const ATTRIBUTE_FLUSH = indexOf('attribute.flush');

/**
 * How often a call has each, by index in TERMS.
 * @param counts of its operations, by index in OPERATIONS
 * @param lastMappings pages that were mapped before the call, and by nobody after it
 */
export function termsOf(place: Place, counts: Float64Array, lastMappings: number): Float64Array {
  const terms = new Float64Array(TERMS.length);
  if (place.dirty) terms[DIRTY] = counts[Op['pte.zap']];
  if (writes(place)) terms[WRITE] = counts[Op['pte.set']];
  terms[LAST] = lastMappings;
  const flushing = FLUSHING.indexOf(place.operation === 'stage2.punch' ? 'punch' : place.operation);
  if (flushing >= 0 && counts[Op['tlb.flush']] > 0) terms[flushing] = 1;
  if (isConversion(place)) {
    terms[ATTRIBUTE] = place.pages;
    terms[ATTRIBUTE_FLUSH] = Math.sign(counts[Op['stage2.zap']]);
  }
  const call = indexOf(`call.${callName(place, counts)}`);
  if (call >= 0) terms[call] = 1;
  return terms;
}

export const isConversion = ({ operation }: Place): boolean => operation.startsWith('convert.');

/** What it faults in, it faults in for writing: a long-term pin is taken for that. */
function writes({ operation, dirty }: Place): boolean {
  return operation === 'gup.pin' || (dirty && FAULTING.has(operation));
}
const FAULTING: ReadonlySet<MeasuredOperation> = new Set(['fault.first', 'fault.minor', 'populate']);

/** GUP that has to fault pages in goes another way from the start, and a hole without a page ends early. */
function callName({ operation }: Place, counts: Float64Array): string {
  if ((operation === 'gup.get' || operation === 'gup.pin') && counts[Op['pte.set']] > 0) return faulting(operation);
  return operation === 'punch' && counts[Op['pageCache.remove']] === 0 ? 'punch.empty' : operation;
}
