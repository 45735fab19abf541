/**
 * Changes: what one step did that others can see, in the words of the field, as the difference of two worlds.
 *
 * Locks stand apart, so that a printer can leave them out. Not told: what only the task itself reads (positions, cursors,
 * flags but for interrupts), ghosts (`dataRefs`, Exposed, NeighbourZapped), totals that follow from what is told
 * (`flippedPages`, `regionFlipped`, `giganticFlipped`, `giganticPresent`, `windowVmas`, and of `largeMapcount` what single pages add to
 * it), and which page tables exist.
 */
import { CrossCall } from '../model/crossCalls.ts';
import { TableBit } from '../model/entries.ts';
import { largeStart } from '../model/backing.ts';
import { PageBit, folioPagesAt, headOf, isLarge, isPrivate, isSplit } from '../model/file.ts';
import { GUP_PIN_COUNTING_BIAS } from '../model/folios.ts';
import { callsBack } from '../model/folioType.ts';
import { WRITER } from '../model/locks.ts';
import { SlotKind } from '../model/slots.ts';
import { GiganticBit, RegionBit } from '../model/stage2.ts';
import { TaskFlag } from '../model/tasks.ts';
import type { World } from '../model/world.ts';
import { callbackChanges } from './callbackChanges.ts';
import { forEachPage, gained, inWindow, lost, ownerName } from './changeWords.ts';
import type { ChangeNames, Changes } from './family.ts';
import { entries, vmas } from './mappingChanges.ts';
import { joinPages, pagesName } from './pageRuns.ts';

/** What the step between two worlds of one shape changed. */
export function describeChanges(before: World, after: World, names: ChangeNames = {}): Changes {
  const moved = movedFolios(before, after);
  return {
    locks: [...rwLocks(before, after), ...folioLocks(before, after), ...tableLocks(before, after)],
    others: joinPages([
      ...shareability(before, after),
      ...callbackChanges(before, after),
      ...entries(before, after),
      ...vmas(before, after),
      ...stage2(before, after),
      ...pageCache(before, after, moved),
      ...counts(before, after, moved),
      ...buffers(before, after, names),
      ...contents(before, after, moved),
      ...batches(before, after, names, moved),
      ...crossCalls(before, after, names),
      ...processes(before, after),
    ]),
  };
}

/* ---- names ---- */

/** "page 0", "orphan 1"; of large folios "folio 0..3", and of pieces of one that was split "page 2", "orphan page 0". */
function folioName(world: World, head: number): string {
  const { shape: { pages }, sizes: { folioPages } } = world;
  if (isSplit(world, head)) return head >= pages ? `orphan page ${head - pages}` : `page ${head}`;
  if (head >= pages) return `orphan ${(head - pages) / folioPages}`;
  return folioPages === 1 ? `page ${head}` : `folio ${head}..${head + folioPages - 1}`;
}

/** "page 0", "orphan 1"; a page of a large orphan "page 1 of orphan 0". */
function frameName(world: World, frame: number): string {
  const { pages } = world.shape;
  const { folioPages } = world.sizes;
  if (frame < pages) return `page ${frame}`;
  if (isSplit(world, frame)) return folioName(world, frame);
  const orphan = folioName(world, frame & -folioPages);
  return folioPages === 1 ? orphan : `page ${(frame - pages) % folioPages} of ${orphan}`;
}

const of = (owner: string): string => (owner === '' ? '' : ` of ${owner}`);

const threadName = ({ threads = [] }: ChangeNames, cpu: number): string => threads[cpu] ?? `CPU ${cpu}`;
/** "buffer a"; a name that says so itself stands alone. */
const bufferName = ({ buffers: known = [] }: ChangeNames, slot: number): string => (known[slot]?.startsWith('buf') ? known[slot] : `buffer ${known[slot] ?? slot}`);

/* ---- the file ---- */

function shareability(before: World, after: World): readonly string[] {
  return forEachPage(after, (page) => {
    const [was, is] = [before.pageState[page], after.pageState[page]];
    return [
      ...(isPrivate(before, page) === isPrivate(after, page) ? [] : [`page ${page} becomes ${isPrivate(after, page) ? 'private' : 'shared'}`]),
      ...(gained(was, is, PageBit.Asked) ? [`guest asks to share page ${page}`] : []),
      ...(lost(was, is, PageBit.Asked) ? [`guest no longer asks to share page ${page}`] : []),
      ...(gained(was, is, PageBit.Degraded) ? [`request for page ${page} given up`] : []),
      ...(lost(was, is, PageBit.Degraded) ? [`page ${page} is no longer given up`] : []),
      ...(gained(was, is, PageBit.Secondary) ? [`secondary MMU maps page ${page}`] : []),
      ...(lost(was, is, PageBit.Secondary) ? [`secondary MMU drops page ${page}`] : []),
      ...(gained(was, is, PageBit.ReadOnly) ? [`page ${page} becomes read-only for the host`] : []),
      ...(lost(was, is, PageBit.ReadOnly) ? [`page ${page} is no longer read-only`] : []),
      ...(gained(was, is, PageBit.PrivatePresent) ? [`page ${page} enters the memory for private pages`] : []),
      ...(lost(was, is, PageBit.PrivatePresent) ? [`page ${page} leaves the memory for private pages`] : []),
      ...(gained(was, is, PageBit.ExclusivePin) ? [`page ${page} pinned exclusively`] : []),
      // Of a page that has turned private its shareability says so from now on.
      ...(lost(was, is, PageBit.ExclusivePin) && !isPrivate(after, page) ? [`exclusive pin of page ${page} dropped`] : []),
    ];
  });
}

/** Large folios that were split or put together: what is told of each, by its first page. */
function restructured(before: World, after: World): ReadonlyMap<number, string> {
  const { sizes: { folioPages, splits }, shape: { pages } } = after;
  const told = new Map<number, string>();
  if (!splits) return told;
  for (let first = 0; first < pages; first += folioPages) {
    if (isSplit(before, first) === isSplit(after, first)) continue;
    const folio = `folio ${first}..${first + folioPages - 1}`;
    if (isSplit(after, first)) {
      if (before.pageState[first] & PageBit.Present) told.set(first, `${folio} split into ${pagesName(first, folioPages)}`);
    } else if (after.pageState[first] & PageBit.Present) told.set(first, `${pagesName(first, folioPages)} merged to ${folio}`);
  }
  return told;
}

/** Which spare folios a punch moved folios to: spare head by the head that it had. */
function movedFolios(before: World, after: World): ReadonlyMap<number, number> {
  const { pages } = after.shape;
  const { frames, splits } = after.sizes;
  const folioPages = splits ? 1 : after.sizes.folioPages;
  const moved = new Map<number, number>();
  for (let spare = pages; spare < frames; spare += folioPages) {
    if (before.refcount[spare] !== 0 || after.refcount[spare] === 0) continue;
    for (let head = 0; head < pages; head += folioPages) if (lost(before.pageState[head], after.pageState[head], PageBit.Present)) moved.set(head, spare);
  }
  return moved;
}

function pageCache(before: World, after: World, moved: ReadonlyMap<number, number>): readonly string[] {
  const whole = restructured(before, after);
  return forEachPage(after, (head) => {
    const told = whole.get(largeStart(after, head));
    if (told !== undefined) return whole.has(head) ? [told] : [];
    const [was, is] = [before.pageState[head], after.pageState[head]];
    const name = folioName(after, head);
    const spare = moved.get(head);
    return [
      ...(gained(was, is, PageBit.Present) ? [`${name} enters the page cache`] : []),
      ...(lost(was, is, PageBit.Present) ? [`${name} leaves the page cache`] : []),
      ...(spare === undefined ? [] : [`its folio lives on as ${folioName(after, spare)}, refcount ${after.refcount[spare]}`]),
      ...(gained(was, is, PageBit.UpToDate) && (was & PageBit.Present) !== 0 ? [`${name} is up to date`] : []),
    ];
  });
}

/* ---- stage-2 ---- */

function stage2(before: World, after: World): readonly string[] {
  const { regions, gigantics } = after.sizes;
  return [
    ...Array.from({ length: gigantics }, (_, gigantic) => giganticChanges(before, after, gigantic)).flat(),
    ...Array.from({ length: regions }, (_, region) => regionChanges(before, after, region)).flat(),
    ...(after.invalidating[0] > before.invalidating[0] ? ['stage-2 invalidation begins'] : []),
    ...(after.invalidating[0] < before.invalidating[0] ? ['stage-2 invalidation ends'] : []),
  ];
}

/** What became of a gigantic leaf; a step that splits one leaves large leaves, of which it clears or splits the first of its range. */
function changeOfGigantic(before: World, after: World, gigantic: number): 'set' | 'split' | 'cleared' | undefined {
  const [was, is] = [before.giganticState[gigantic], after.giganticState[gigantic]];
  if (gained(was, is, GiganticBit.Leaf)) return 'set';
  if (!lost(was, is, GiganticBit.Leaf)) return undefined;
  const { giganticPages, regionPages } = after.sizes;
  const first = (gigantic * giganticPages) / regionPages;
  return after.regionState.subarray(first, first + giganticPages / regionPages).some((state) => state & RegionBit.Leaf) ? 'split' : 'cleared';
}

function giganticChanges(before: World, after: World, gigantic: number): readonly string[] {
  const change = changeOfGigantic(before, after, gigantic);
  return change === undefined ? [] : [`gigantic leaf ${gigantic} ${change}`];
}

function regionChanges(before: World, after: World, region: number): readonly string[] {
  const { regionPages, giganticPages } = after.sizes;
  const [was, is] = [before.regionState[region], after.regionState[region]];
  const first = region * regionPages;
  const last = Math.min(first + regionPages, after.shape.pages);
  const gigantic = giganticPages === 0 ? undefined : changeOfGigantic(before, after, Math.floor(first / giganticPages));
  const leaves = leafChanges(before, after, first, last);
  const backed = gained(was, is, RegionBit.Backed) ? [`region ${region} is backed`] : [];
  // A leaf takes the place of smaller ones, and a split brings them: that is one change and not many.
  if (gigantic === 'set') return backed;
  if (gained(was, is, RegionBit.Leaf)) return gigantic === 'split' ? backed : [...backed, `large leaf of region ${region} set`];
  if (gigantic === 'split' || lost(was, is, RegionBit.Leaf)) return [...backed, leaves.length > 0 ? splitName(after, region, first, last) : `large leaf of region ${region} cleared`];
  return [...backed, ...leaves];
}

function leafChanges(before: World, after: World, first: number, last: number): readonly string[] {
  const told: string[] = [];
  for (let page = first; page < last; page++) {
    const [was, is] = [before.pageState[page], after.pageState[page]];
    if (gained(was, is, PageBit.Leaf)) told.push(`stage-2 leaf of page ${page} set`);
    if (lost(was, is, PageBit.Leaf)) told.push(`stage-2 leaf of page ${page} cleared`);
  }
  return told;
}

/** The step that splits a leaf also clears the first small one of its range. */
function splitName(after: World, region: number, first: number, last: number): string {
  const without = Array.from({ length: last - first }, (_, nth) => first + nth).filter((page) => (after.pageState[page] & PageBit.Leaf) === 0);
  return `large leaf of region ${region} split${without.length === 0 ? '' : `, ${without.map((page) => `page ${page}`).join(' and ')} cleared`}`;
}

/* ---- folios ---- */

function counts(before: World, after: World, moved: ReadonlyMap<number, number>): readonly string[] {
  const { folioOrder } = after.shape;
  const { frames } = after.sizes;
  const told: string[] = [];
  const skipped = new Set([...moved].flat());
  const whole = restructured(before, after);
  for (let head = 0, folioPages = 0; head < frames; head += folioPages) {
    folioPages = folioPagesAt(after, head);
    const name = folioName(after, head);
    if (!skipped.has(head) && !whole.has(largeStart(after, head))) {
      const pins = isLarge(after, head) ? change(`pincount of ${name}`, before.pincount[head >> folioOrder], after.pincount[head >> folioOrder]) : [];
      told.push(...references(before, after, head), ...pins);
    }
    const pmdMappings = pmdMappingsOf(after, head) - pmdMappingsOf(before, head);
    if (pmdMappings !== 0) told.push(...change(`large mapcount of ${name}`, before.largeMapcount[head >> folioOrder], after.largeMapcount[head >> folioOrder]));
    for (let frame = head; frame < head + folioPages; frame++) told.push(...change(`mapcount of ${frameName(after, frame)}`, before.mapcount[frame], after.mapcount[frame]));
  }
  return told;
}

/** _entire_mapcount: what of the large mapcount is no page's own. */
function pmdMappingsOf({ mapcount, largeMapcount, shape: { folioOrder, pmdMappings = false }, sizes: { folioPages } }: World, head: number): number {
  if (!pmdMappings) return 0;
  return mapcount.subarray(head, head + folioPages).reduce((left, count) => left - count, largeMapcount[head >> folioOrder]);
}

function references(before: World, after: World, head: number): readonly string[] {
  const [was, is] = [before.refcount[head], after.refcount[head]];
  // The index of a folio that moved keeps the puncher's reference for a moment; no folio has it.
  if (is === 0 && before.flags.some((flags, task) => before.page[task] === head && lost(flags, after.flags[task], TaskFlag.Orphaned))) return [];
  const [told] = change(`refcount of ${folioName(after, head)}`, was, is);
  if (told === undefined) return [];
  if (isFrozen(before, after, head) && (was === 0 || is === 0)) return [`${told} (${is === 0 ? 'frozen' : 'unfrozen'})`];
  const pins = is - was >= GUP_PIN_COUNTING_BIAS - 1 ? ' (pinned)' : was - is >= GUP_PIN_COUNTING_BIAS - 1 ? ' (unpinned)' : '';
  return [`${told}${is === 0 && !callsBack(before, head) ? ' (freed)' : pins}`];
}

/** Whether a count of 0 at this head is that of a folio which somebody has for himself, and not of one that is gone. */
function isFrozen(before: World, after: World, head: number): boolean {
  const stays = before.pageState[head] & after.pageState[head];
  return (after.pageState[head] & PageBit.Migrating) !== 0 || (after.sizes.splits && (stays & PageBit.Present) !== 0);
}

const change = (what: string, was: number, is: number): readonly string[] => (was === is ? [] : [`${what}: ${was} -> ${is}`]);

const hexadecimal = (value: number): string => `0x${value.toString(16).toUpperCase()}`;

function contents(before: World, after: World, moved: ReadonlyMap<number, number>): readonly string[] {
  return [...frameContents(before, after, moved), ...Array.from(after.privateContent, (is, page) => contentChange(`private page ${page}`, before.privateContent[page], is)).flat()];
}

const contentChange = (name: string, was: number, is: number): readonly string[] => (was === is ? [] : [`content of ${name}: ${hexadecimal(was)} -> ${hexadecimal(is)}`]);

/** A folio that moves takes its content along: only what differs behind the move is told. */
function frameContents(before: World, after: World, moved: ReadonlyMap<number, number>): readonly string[] {
  const cameFrom = new Map([...moved].map(([head, spare]) => [spare, head]));
  return Array.from(after.content, (is, frame) => {
    const first = headOf(after, frame);
    const head = cameFrom.get(first);
    const was = before.content[head === undefined ? frame : head + (frame - first)];
    return contentChange(frameName(after, frame), was, is);
  }).flat();
}

/* ---- holders ---- */

const HOLDS: Readonly<Record<number, string>> = { [SlotKind.Pin]: 'pin', [SlotKind.LongTerm]: 'long-term pin', [SlotKind.Get]: 'get' };

function buffers(before: World, after: World, names: ChangeNames): readonly string[] {
  const { slotPages } = after.shape;
  return Array.from(after.slotKind, (kind, slot) => {
    const name = bufferName(names, slot);
    const was = before.slotFrame.subarray(slot * slotPages, (slot + 1) * slotPages);
    const is = after.slotFrame.subarray(slot * slotPages, (slot + 1) * slotPages);
    const taken = [...is].filter((frame, place) => frame !== 0 && was[place] === 0).map((frame) => frameName(after, frame - 1));
    const dropped = [...was].filter((frame, place) => frame !== 0 && is[place] === 0).map((frame) => frameName(after, frame - 1));
    return [
      ...(taken.length > 0 ? [`${name} holds ${taken.join(', ')} (${HOLDS[kind] ?? 'pin'})`] : []),
      ...(dropped.length > 0 ? [`${name} drops ${dropped.join(', ')}`] : []),
      ...(kind !== before.slotKind[slot] && kind === SlotKind.Refused ? [`${name} is refused`] : []),
      ...(kind !== before.slotKind[slot] && kind === SlotKind.Bounced ? [`${name} is bounced`] : []),
    ];
  }).flat();
}

function batches(before: World, after: World, names: ChangeNames, moved: ReadonlyMap<number, number>): readonly string[] {
  const { lruBatch } = after.shape;
  const spares = new Set(moved.values());
  return Array.from(after.lruCount, (is, cpu) => {
    const was = before.lruCount[cpu];
    const last = cpu * lruBatch + is - 1;
    const frame = is === 0 ? -1 : after.lruPage[last] - 1;
    // A full batch is drained before the page comes in; a page that became an orphan waits on in its place.
    const isNew = is > was || (is > 0 && frame + 1 !== before.lruPage[last] && !spares.has(frame));
    const whose = `LRU batch of ${threadName(names, cpu)}`;
    return [...(was > 0 && (is === 0 || (isNew && is <= was)) ? [`${whose} drained`] : []), ...(isNew ? [`${whose} holds ${frameName(after, frame)}`] : [])];
  }).flat();
}

/* ---- CPUs and processes ---- */

const ASKS: Readonly<Record<number, string>> = { [CrossCall.Flush]: 'to flush', [CrossCall.Kick]: 'to leave the guest', [CrossCall.Drain]: 'to drain its LRU batch' };
const ANSWERS: Readonly<Record<number, string>> = { [CrossCall.Flush]: 'flushes its TLB', [CrossCall.Kick]: 'leaves the guest', [CrossCall.Drain]: 'drains its LRU batch' };

function crossCalls(before: World, after: World, names: ChangeNames): readonly string[] {
  const { cpus, tasks } = after.shape;
  const told: string[] = [];
  for (let task = 0; task < tasks; task++) {
    const was = before.callPending.subarray(task * cpus, (task + 1) * cpus);
    const is = after.callPending.subarray(task * cpus, (task + 1) * cpus);
    const asked = [...is.keys()].filter((cpu) => is[cpu] > was[cpu]).map((cpu) => threadName(names, cpu));
    if (asked.length > 0) told.push(`asks ${asked.join(', ')} ${ASKS[after.callKind[task]]}`);
    for (let cpu = 0; cpu < cpus; cpu++) if (is[cpu] < was[cpu]) told.push(`${ANSWERS[before.callKind[task]]} for ${threadName(names, task)}`);
  }
  for (let cpu = 0; cpu < cpus; cpu++) {
    if (gained(before.flags[cpu], after.flags[cpu], TaskFlag.IrqOff)) told.push('interrupts off');
    if (lost(before.flags[cpu], after.flags[cpu], TaskFlag.IrqOff)) told.push('interrupts on');
  }
  return told;
}

function processes(before: World, after: World): readonly string[] {
  if (before.childAlive[0] === after.childAlive[0]) return [];
  return [after.childAlive[0] === 0 ? 'the child exits' : 'the child begins'];
}

/* ---- locks ---- */

/** What happened to a word with readers and a writer. */
function lockChange(name: string, was: number, is: number): readonly string[] {
  if (was === is) return [];
  if (is === WRITER) return [`takes ${name} (write)`];
  if (is === 0 || (was !== WRITER && is < was)) return [`drops ${name}`];
  return [was === WRITER ? `downgrades ${name}` : `takes ${name} (read)`];
}

/** Words in the class of invalidate_lock. */
const INVALIDATE_WORDS: readonly string[] = ['invalidate_lock', 'slots_lock', 'invalidate_lock of guest_memfd'];

function rwLocks(before: World, after: World): readonly string[] {
  return [
    ...Array.from(after.mmapLock, (word, mm) => lockChange(`mmap_lock${of(ownerName(after, mm))}`, before.mmapLock[mm], word)).flat(),
    ...Array.from(after.invalidateLock, (word, at) => lockChange(INVALIDATE_WORDS[at], before.invalidateLock[at], word)).flat(),
    ...lockChange('i_mmap_rwsem', before.iMmapLock[0], after.iMmapLock[0]),
    ...lockChange('mmu_lock', before.mmuLock[0], after.mmuLock[0]),
  ];
}

const bitChange = (name: string, was: number, is: number, bit: number): readonly string[] =>
  (was & bit) === (is & bit) ? [] : [`${is & bit ? 'takes' : 'drops'} ${name}`];

function folioLocks(before: World, after: World): readonly string[] {
  return forEachPage(after, (head) => bitChange(`folio lock of ${folioName(after, head)}`, before.pageState[head], after.pageState[head], PageBit.Locked));
}

function tableLocks(before: World, after: World): readonly string[] {
  const { regions, regionPages } = after.sizes;
  return Array.from(after.table, (bits, table) => {
    const first = (table % regions) * regionPages;
    const covered = pagesName(first, Math.min(regionPages, after.shape.pages - first));
    return bitChange(`page-table lock of ${covered}${inWindow(after, Math.floor(table / regions))}`, before.table[table], bits, TableBit.Locked);
  }).flat();
}
