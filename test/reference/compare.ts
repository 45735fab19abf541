/**
 * What can be observed of a machine, as plain data: read from a world's columns on one side, from the reference machine's
 * objects on the other. Two equal observations are the same machine as far as any policy, guest or report can tell.
 */
import { EntryBit } from '../../src/model/entries.ts';
import { ERRNOS } from '../../src/model/errno.ts';
import { PageBit, isPrivate as isPrivateInWorld } from '../../src/model/file.ts';
import { folioMapcount } from '../../src/model/folios.ts';
import { OPERATIONS, Op } from '../../src/model/operations.ts';
import type { OperationName } from '../../src/model/operations.ts';
import { isPmd } from '../../src/model/pmd.ts';
import { RegionBit, stage2Maps as stage2MapsInWorld } from '../../src/model/stage2.ts';
import { inIMmap, inMm } from '../../src/model/windows.ts';
import type { World } from '../../src/model/world.ts';
import { TABLE_PAGES, isPrivate, mapcount, pincount, refcount, stage2Maps, waysTo } from './machine.ts';
import type { Machine } from './machine.ts';

/** Counters with a meaning of their own; the others are steps on the way to these, and only have prices. */
const COUNTED = [
  'guest.access', 'host.access', 'device.access', 'stage2.fault', 'host.fault', 'ipc',
  'folio.alloc', 'folio.free', 'folio.split', 'page.clear', 'page.copy', 'pageCache.insert', 'pageCache.remove', 'lru.add', 'lru.drainWork',
  'mmap', 'munmap', 'vma.insert', 'vma.remove', 'vma.split', 'vma.merge', 'fork', 'fork.vma', 'rmap.walk', 'vma.visit',
  'pte.zap', 'pte.set', 'tlb.flush', 'tlb.flushEntry', 'tlb.flushAll', 'tlb.ipi', 'stage2.map', 'stage2.zap', 'stage2.split', 'guest.tlbMiss4K', 'guest.tlbMiss2M', 'state.store', 'gup.release',
  'access.done', 'work.done', 'access.failed', 'access.degraded', 'pte.zapNeighbour', 'fault.neighbour', 'signal.SIGBUS', 'signal.SIGSEGV',
  'access.rogue', 'access.exposed', 'access.orphan', 'refused.ownPin', 'refused.neighbourPin', 'refused.mapping', 'refused.transient',
] as const satisfies readonly OperationName[];

export type Observation = Readonly<Record<string, string>>;

/** What the world shows, one line a subject. */
export function observeWorld(world: World): Observation {
  const { pages, windows, childWindows, folioOrder, slots, cpus } = world.shape;
  const seen: Record<string, string> = {};
  seen['private'] = runs(pages, (page) => isPrivateInWorld(world, page));
  seen['in guest_memfd alone'] = runs(pages, (page) => (world.pageState[page] & PageBit.PrivatePresent) !== 0);
  for (let page = 0; page < pages; page++) {
    const state = world.pageState[page];
    note(seen, `page ${page}`, pageLine({
      asked: (state & PageBit.Asked) !== 0,
      degraded: (state & PageBit.Degraded) !== 0,
      exposed: (state & PageBit.Exposed) !== 0,
      leaf: stage2MapsInWorld(world, page),
      ways: world.dataRefs[page],
    }));
  }
  for (let head = 0; head < pages; head += world.sizes.folioPages) {
    note(seen, `folio ${head}`, folioLine({
      present: (world.pageState[head] & PageBit.Present) !== 0,
      refcount: world.refcount[head],
      mapcount: folioMapcount(world, head),
      pincount: folioOrder > 0 ? world.pincount[head >> folioOrder] : 0,
    }));
  }
  for (let region = 0; region < world.sizes.regions; region++) {
    if (world.regionState[region] & RegionBit.Leaf) seen[`region ${region}`] = 'large leaf';
  }
  for (let window = 0; window < windows - childWindows; window++) {
    const present: string[] = [];
    for (let page = 0; page < pages; page++) {
      const bits = world.entry[window * pages + page];
      if (isPmd(world, window, page)) {
        const last = page + world.sizes.regionPages;
        const dirty = world.entry.subarray(window * pages + page, window * pages + last).some((one) => (one & EntryBit.Dirty) !== 0);
        present.push(`PMD ${page}${dirty ? ' dirty' : ''}`);
        page = last - 1;
      } else if (bits & EntryBit.Present) present.push(`${page}${bits & EntryBit.Dirty ? ' dirty' : ''}`);
    }
    seen[`window ${window}`] = windowLine(runs(pages, (page) => inMm(world, window, page)), present);
    seen[`window ${window}, i_mmap`] = runs(pages, (page) => inIMmap(world, window, page));
  }
  for (let slot = 0; slot < slots - (world.shape.tasks - cpus); slot++) if (world.slotCount[slot] > 0) seen[`slot ${slot}`] = `${world.slotCount[slot]} held`;
  for (let cpu = 0; cpu < cpus; cpu++) seen[`lru batch ${cpu}`] = String(world.lruCount[cpu]);
  let orphans = 0;
  for (let frame = pages; frame < world.sizes.frames; frame++) orphans += world.refcount[frame];
  seen['references of orphans'] = String(orphans);

  const { meter } = world;
  for (const name of COUNTED) seen[name] = String(meter.count[Op[name]]);
  for (const [kind, errors] of [['mmap', meter.mmapErrors], ['gup', meter.gupErrors], ['convert', meter.convertErrors]] as const) {
    seen[`errors of ${kind}`] = ERRNOS.flatMap((name, index) => (errors[index] > 0 ? [`${name} ${errors[index]}`] : [])).join(', ');
  }
  return seen;
}

/** The same of the reference machine. */
export function observeMachine(machine: Machine): Observation {
  const { pages } = machine.setup;
  const seen: Record<string, string> = {};
  seen['private'] = runs(pages, (page) => isPrivate(machine, page));
  seen['in guest_memfd alone'] = runs(pages, (page) => machine.ownPages.has(page));
  for (let page = 0; page < pages; page++) {
    note(seen, `page ${page}`, pageLine({
      asked: machine.asked.has(page),
      degraded: machine.degraded.has(page),
      exposed: machine.exposed.has(page),
      leaf: stage2Maps(machine, page),
      ways: waysTo(machine, page),
    }));
  }
  for (const folio of machine.folios.values()) {
    seen[`folio ${folio.head}`] = folioLine({
      present: true,
      refcount: refcount(machine, folio),
      mapcount: mapcount(machine, folio),
      pincount: machine.folioPages > 1 ? pincount(folio) : 0,
    });
  }
  for (const region of machine.largeLeaves) seen[`region ${region}`] = 'large leaf';
  for (const [index, { vmas, entries, pmds }] of machine.windows.entries()) {
    const all = [...[...entries].map(([page, { dirty }]) => ({ page, dirty, kind: '' })), ...[...pmds].map(([region, { dirty }]) => ({ page: region * TABLE_PAGES, dirty, kind: 'PMD ' }))];
    const present = all.sort((a, b) => a.page - b.page).map(({ page, dirty, kind }) => `${kind}${page}${dirty ? ' dirty' : ''}`);
    const covered = vmas.map(([start, end]) => `[${start}, ${end})`).join(' ');
    seen[`window ${index}`] = windowLine(covered, present);
    seen[`window ${index}, i_mmap`] = covered;
  }
  for (const [slot, { references }] of machine.slots) if (references.length > 0) seen[`slot ${slot}`] = `${references.length} held`;
  for (const [cpu, batch] of machine.batches.entries()) seen[`lru batch ${cpu}`] = String(batch.length);
  const orphans = new Set([...machine.batches.flat(), ...[...machine.slots.values(), ...machine.devices].flatMap(({ references }) => references)].map(({ folio }) => folio));
  seen['references of orphans'] = String([...orphans].reduce((sum, folio) => sum + (folio.inFile ? 0 : refcount(machine, folio)), 0));

  for (const name of COUNTED) seen[name] = String(machine.counts.get(name) ?? 0);
  for (const [kind, errors] of Object.entries(machine.errors)) {
    seen[`errors of ${kind}`] = ERRNOS.flatMap((name) => (errors.has(name) ? [`${name} ${errors.get(name)}`] : [])).join(', ');
  }
  return seen;
}

/** What differs, one line each; empty where nothing does. */
export function differences(world: Observation, reference: Observation): readonly string[] {
  const subjects = new Set([...Object.keys(world), ...Object.keys(reference)]);
  return [...subjects]
    .filter((subject) => world[subject] !== reference[subject])
    .map((subject) => `${subject}: the model has "${world[subject] ?? ''}", the reference "${reference[subject] ?? ''}"`);
}

/** The names of what is compared, for the test that no counter is forgotten. */
export const countedOperations: readonly OperationName[] = COUNTED;
export const uncountedOperations: readonly OperationName[] = OPERATIONS.map(({ name }) => name).filter((name) => !(COUNTED as readonly OperationName[]).includes(name));

/** A subject with nothing to say is left out. */
function note(seen: Record<string, string>, subject: string, line: string): void {
  if (line !== '') seen[subject] = line;
}

function pageLine({ asked, degraded, exposed, leaf, ways }: {
  readonly asked: boolean;
  readonly degraded: boolean;
  readonly exposed: boolean;
  readonly leaf: boolean;
  readonly ways: number;
}): string {
  if (!asked && !degraded && !exposed && !leaf && ways === 0) return '';
  return [`${ways} ways`, asked ? 'asked' : '', degraded ? 'degraded' : '', exposed ? 'exposed' : '', leaf ? 'in stage-2' : ''].filter((mark) => mark !== '').join(', ');
}

/** A folio that is not in the file has no counts at all. */
function folioLine({ present, refcount, mapcount, pincount }: {
  readonly present: boolean;
  readonly refcount: number;
  readonly mapcount: number;
  readonly pincount: number;
}): string {
  if (!present && refcount === 0 && mapcount === 0 && pincount === 0) return '';
  return `${present ? 'present' : 'absent'}, refcount ${refcount}, mapcount ${mapcount}, pincount ${pincount}`;
}

const windowLine = (vmas: string, present: readonly string[]): string => `VMAs ${vmas}; entries ${present.join(', ')}`;

function runs(pages: number, covered: (page: number) => boolean): string {
  const found: string[] = [];
  for (let page = 0; page < pages; page++) {
    if (!covered(page)) continue;
    const start = page;
    while (page < pages && covered(page)) page++;
    found.push(`[${start}, ${page})`);
  }
  return found.join(' ');
}
