/** The family `unsharing` for the explorer: processes that fork, and pins that have to stay with what the process sees. */
import { acknowledgeFlush } from '../../model/crossCalls.ts';
import { buildAnonymousHost } from '../../model/anonymous/host.ts';
import { ANONYMOUS_INVARIANTS, isInUse } from '../../model/anonymous/invariants.ts';
import { AnonymousAccess, AnonymousFlag } from '../../model/anonymous/kinds.ts';
import { startAnonymousWorld } from '../../model/anonymous/start.ts';
import { anonymousColumns, clearAnonymousTask, createAnonymousWorld } from '../../model/anonymous/world.ts';
import type { AnonymousWorld } from '../../model/anonymous/world.ts';
import { isStale } from '../../model/anonymous/holding.ts';
import type { MemoryShape } from '../../model/memory/shape.ts';
import { Backing, WindowFlag } from '../../model/memory/windows.ts';
import { Op } from '../../model/operations.ts';
import type { UnsharingPolicy } from '../../policies/unsharing/policy.ts';
import { askStates, columnsOf, sentencesOf } from '../family.ts';
import type { Debate, Scene, SceneOptions } from '../family.ts';
import type { Details, OperationForm, Words } from '../grammar.ts';
import { hostThreads } from '../hostThreads.ts';
import { operationsOf } from '../litmus.ts';
import type { Litmus, LitmusWorldBase } from '../litmus.ts';
import { memoryChanges, memoryLocks } from '../memoryChanges.ts';

const MEMORIES = ['anonymous', 'file'] as const;
const PAGES = ['base', 'huge', 'hugetlb'] as const;

export interface UnsharingLitmusWorld extends LitmusWorldBase {
  readonly memory: (typeof MEMORIES)[number];
  readonly folios: (typeof PAGES)[number];
  readonly regionOrder: number;
  readonly hugeFolios: number;
  readonly swapSlots: number;
  readonly flush: 'ipi' | 'broadcast';
}

function readPin({ range, expect, buffer, oneOf, window }: Words): Details {
  const pages = range();
  expect('as');
  const slot = buffer();
  const term = oneOf(['short', 'long-term', 'get']) ?? 'short';
  const write = oneOf(['read', 'write']) === 'write';
  const path = { fast: AnonymousFlag.FastOnly, slow: AnonymousFlag.SlowOnly, both: 0 }[oneOf(['fast', 'slow']) ?? 'both'];
  const kinds = { short: [AnonymousAccess.PinRead, AnonymousAccess.PinWrite], 'long-term': [AnonymousAccess.PinLongRead, AnonymousAccess.PinLongWrite], get: [AnonymousAccess.Splice, AnonymousAccess.Splice] };
  return { kind: kinds[term][write ? 1 : 0], ...pages, slot, flags: path, window: window() };
}

const onRange = (kind: number) => ({ range, window }: Words): Details => ({ kind, ...range(), window: window() });
const onBuffer = (kind: number) => ({ buffer }: Words): Details => ({ kind, slot: buffer() });

const OPERATIONS: readonly OperationForm[] = [
  { words: 'read', form: 'read PAGE [through N]', example: 'read 0 => 1', means: 'a load of the process; zeros where nothing was written', read: ({ page, window }) => ({ kind: AnonymousAccess.Read, ...page(), window: window() }) },
  {
    words: 'write', form: 'write PAGE [VALUE] [through N]', example: 'write 0 0xFF', means: 'a store of the process',
    read: ({ page, writtenValue, window }) => ({ kind: AnonymousAccess.Write, ...page(), value: writtenValue(), window: window() }),
  },
  { words: 'fork', form: 'fork [into N]', example: 'fork into 2', means: 'the process forks; the child is process N, by default 1. Threads of a process wait until it is born', read: ({ take, page }) => ({ kind: AnonymousAccess.Fork, page: take('into') ? page('beyond').page : 1 }) },
  { words: 'exit', form: 'exit', example: 'exit', means: 'the process exits, and can be forked again', read: () => ({ kind: AnonymousAccess.Exit }) },
  {
    words: 'pin', form: 'pin RANGE as NAME [short|long-term|get] [read|write] [fast|slow] [through N]', example: 'pin 0 as buffer long-term read slow',
    means: 'GUP into a buffer, for reading unless `write`. `short`: FOLL_PIN (default); `long-term`: with FOLL_LONGTERM; `get`: FOLL_GET. The fast path, then the slow one, unless `fast` (FOLL_FAST_ONLY) or `slow`', read: readPin,
  },
  {
    words: 'vmsplice', form: 'vmsplice RANGE as NAME [through N]', example: 'vmsplice 0 as pipe', means: 'FOLL_GET by somebody who reads later, as `pin ... get`',
    read: ({ range, expect, buffer, window }) => ({ kind: AnonymousAccess.Splice, ...range(), slot: (expect('as'), buffer()), window: window() }),
  },
  { words: 'access', form: 'access NAME', example: 'access buffer => 0xFF', means: 'a device or the kernel reads the buffer through its references, page by page', read: onBuffer(AnonymousAccess.DeviceRead) },
  { words: 'fill', form: 'fill NAME [VALUE]', example: 'fill buffer 7', means: 'it writes the buffer through its references', read: ({ buffer, writtenValue }) => ({ kind: AnonymousAccess.DeviceWrite, slot: buffer(), value: writtenValue() }) },
  { words: 'unpin', form: 'unpin NAME', example: 'unpin buffer', means: 'drops them', read: onBuffer(AnonymousAccess.Unpin) },
  { words: 'protect', form: 'protect RANGE [through N]', example: 'protect 0..1', means: 'mprotect(PROT_READ)', read: onRange(AnonymousAccess.ProtectRead) },
  { words: 'permit', form: 'permit RANGE [through N]', example: 'permit 0..1', means: 'mprotect(PROT_READ | PROT_WRITE): entries stay read-only until a fault', read: onRange(AnonymousAccess.ProtectWrite) },
  { words: 'munmap', form: 'munmap RANGE [through N]', example: 'munmap 0..1', means: 'the VMA goes, and its entries; EINVAL where the range takes a part of a hugetlb folio, as with mprotect', read: onRange(AnonymousAccess.Unmap) },
  { words: 'dontneed', form: 'dontneed RANGE [through N]', example: 'dontneed 1', means: 'MADV_DONTNEED: the entries go, the VMA stays; of hugetlb EINVAL where the range begins within a folio, and none of one that it ends within', read: onRange(AnonymousAccess.DontNeed) },
  { words: 'swap-out', form: 'swap-out PAGE [through N]', example: 'swap-out 0', means: 'reclaim takes the page to swap, from all processes that share it, where it can', read: ({ page, window }) => ({ kind: AnonymousAccess.SwapOut, ...page(), window: window() }) },
  { words: 'collapse', form: 'collapse PAGE', example: 'collapse 0 => EAGAIN', means: 'MADV_COLLAPSE of the region of the page: EAGAIN where a page has references that are no mappings, EINVAL where a PMD maps it already', read: ({ page }) => ({ kind: AnonymousAccess.Collapse, ...page() }) },
  { words: 'split-pmd', form: 'split-pmd PAGE', example: 'split-pmd 0', means: 'the PMD over the page becomes a page table; the folio stays huge', read: ({ page }) => ({ kind: AnonymousAccess.SplitPmd, ...page() }) },
];

const noStaleRead = {
  name: 'no-stale-read',
  sentence: 'what is read through a pin is what the process sees there',
  why: 'a registered buffer that went stale sends old data over the network, or to disk, for as long as it is registered',
};
const noLostWrite = {
  name: 'no-lost-write',
  sentence: 'what is written through a pin the process sees',
  why: 'a device writes into a page that nobody has mapped, and the process waits for data that has come',
};

export const unsharing: Debate<AnonymousWorld, UnsharingPolicy, UnsharingLitmusWorld> = {
  name: 'unsharing',
  grammar: {
    worldKeys: [
      { key: 'pages', usual: '2', means: 'pages of each mapping, 1 to 8' },
      { key: 'memory', usual: 'anonymous', means: '`anonymous`: all mappings are private and anonymous. `file`: mapping 0 is private, the others shared, of one memfd, which starts empty' },
      { key: 'folios', usual: 'base', means: '`base`: pages of their own; `huge`: one folio a region, behind a PMD where it fits; `hugetlb`: one that is never taken to pieces, and copied by its mapping count' },
      { key: 'region-order', usual: '1', means: 'log2 of the pages behind one page table, and of a huge folio, 1 or 2' },
      { key: 'huge-folios', usual: 'see right', means: 'huge folios that there are; default: none with `base`, else one for each region of each process and buffer, and with `hugetlb` two more for each thread' },
      { key: 'windows', usual: '1', means: 'mappings of each process, 1 to 4' },
      { key: 'swap', usual: '0', means: 'pages that can be in swap' },
      { key: 'flush', usual: 'ipi', means: '`ipi` waits for CPUs with interrupts off, such as GUP-fast; `broadcast` does not' },
    ],
    readWorld({ mistake, lineOf, integer, choice }) {
      const pages = integer('pages', 2, 1, 8);
      const folios = choice('folios', 'base', PAGES);
      const regionOrder = integer('region-order', 1, 1, 2);
      if (folios === 'hugetlb' && pages % (1 << regionOrder) !== 0) {
        throw mistake(lineOf('pages'), {
          what: `${pages} page${pages === 1 ? '' : 's'} cannot be made of hugetlb folios of order ${regionOrder}`,
          why: `a folio has ${1 << regionOrder} pages, and a mapping of hugetlb is made of whole ones`,
          fix: `set \`pages\` to a multiple of ${1 << regionOrder}`,
        });
      }
      const world = {
        pages,
        memory: choice('memory', 'anonymous', MEMORIES),
        folios,
        regionOrder,
        hugeFolios: integer('huge-folios', -1, 0, 8),
        windowsPerProcess: integer('windows', 1, 1, 4),
        swapSlots: integer('swap', 0, 0, 8),
        flush: choice('flush', 'ipi', ['ipi', 'broadcast']),
        patience: 0,
      };
      return { ...world, finish: () => world };
    },
    threads: hostThreads,
    operations: OPERATIONS,
    kinds: {
      readers: new Set([AnonymousAccess.Read, AnonymousAccess.DeviceRead]),
      requests: new Set(),
      guest: new Set(),
      fills: new Set([AnonymousAccess.PinRead, AnonymousAccess.PinWrite, AnonymousAccess.PinLongRead, AnonymousAccess.PinLongWrite, AnonymousAccess.Splice]),
      uses: new Set([AnonymousAccess.DeviceRead, AnonymousAccess.DeviceWrite]),
      drops: new Set([AnonymousAccess.Unpin]),
    },
  },
  sentences: sentencesOf([noStaleRead, noLostWrite], ANONYMOUS_INVARIANTS),
  moveRules: [{ name: noStaleRead.name, operation: Op['pin.stale'] }, { name: noLostWrite.name, operation: Op['pin.lost'] }],
  asked: new Set([AnonymousAccess.PinRead, AnonymousAccess.PinWrite, AnonymousAccess.PinLongRead, AnonymousAccess.PinLongWrite]),
  askedFor: 'pin',
  createScene,
};

/** Processes that the file's threads are of, or forks make. */
function processesOf(litmus: Litmus<UnsharingLitmusWorld>): number {
  const forked = operationsOf(litmus).filter(({ kind }) => kind === AnonymousAccess.Fork).map(({ page }) => Number(page));
  return Math.max(...litmus.threads.map(({ process }) => process), ...forked) + 1;
}

export function shapeOfUnsharing(litmus: Litmus<UnsharingLitmusWorld>): MemoryShape {
  const { threads, buffers, world: { pages, memory, folios, regionOrder, hugeFolios, windowsPerProcess, swapSlots, flush } } = litmus;
  const mms = processesOf(litmus);
  const fills = operationsOf(litmus).filter(({ kind }) => unsharing.grammar.kinds.fills.has(kind));
  const slotPages = Math.max(0, ...fills.map(({ count }) => count));
  const regions = Math.ceil(pages / (1 << regionOrder));
  const filePages = memory === 'file' ? pages : 0;
  // Every page of every process may be its own, while buffers hold others and each thread is about to map one more.
  const frames = 1 + pages * windowsPerProcess * mms + filePages + buffers.length * slotPages + 2 * threads.length;
  // Huge folios are for the same, but that a thread takes a small one where there is none; of hugetlb it may hold one that it copies, and the copy.
  const inHands = folios === 'hugetlb' ? 2 * threads.length : 0;
  return {
    pages, windows: mms * windowsPerProcess, windowsPerMm: windowsPerProcess, mms, cpus: threads.length, vcpus: 0, tasks: threads.length, slots: buffers.length, slotPages,
    broadcastFlush: flush === 'broadcast', regionOrder, frames, filePages, swapSlots,
    hugeFolios: hugeFolios >= 0 ? hugeFolios : folios === 'base' ? 0 : regions * windowsPerProcess * (mms + buffers.length) + inHands,
  };
}

function createScene({ litmus, policy }: SceneOptions<UnsharingPolicy, UnsharingLitmusWorld>): Scene<AnonymousWorld> {
  const { world: { memory, folios, windowsPerProcess }, threads } = litmus;
  const shape = shapeOfUnsharing(litmus);
  const createAnother = (): AnonymousWorld => createAnonymousWorld(shape);
  const world = createAnother();
  const { program, entries } = buildAnonymousHost(policy.rules(), shape);
  const flags = { base: 0, huge: WindowFlag.Huge, hugetlb: WindowFlag.Hugetlb }[folios];
  const backing = (number: number): number => (memory === 'anonymous' ? Backing.Anonymous : number === 0 ? Backing.FilePrivate : Backing.FileShared);
  startAnonymousWorld(world, {
    processOfCpu: threads.map(({ process }) => process),
    windows: Array.from({ length: windowsPerProcess }, (_, number) => ({ backing: backing(number), flags })),
  });
  return {
    world,
    program,
    entries,
    columns: columnsOf<MemoryShape>(anonymousColumns, world, shape),
    actors: [],
    worldText: worldText(shape, litmus.world),
    clearTask: clearAnonymousTask,
    acknowledge: acknowledgeFlush,
    // TLBs hold what the entry says, so that a flush is seen by nobody but who waits for it.
    acknowledgesAtOnce: () => true,
    invariants: askStates(ANONYMOUS_INVARIANTS, world),
    describeMove: () => partedPins(world),
    createAnother,
    describeChanges: (before, after, names) => ({ locks: memoryLocks(before, after), others: memoryChanges(before, after, names) }),
  };
}

/** Which pins are no longer what the process sees. */
function partedPins(world: AnonymousWorld): string {
  const { slots, slotPages } = world.shape;
  const parted: string[] = [];
  for (let slot = 0; slot < slots; slot++) {
    if (isInUse(world, slot)) continue;
    for (let place = 0; place < world.slotCount[slot]; place++) {
      if (isStale(world, slot, place)) parted.push(`page ${world.slotPage[slot] + place} is not frame ${world.slotFrame[slot * slotPages + place] - 1}, which the pin holds`);
    }
  }
  return parted.length > 0 ? parted.join('; ') : 'a pin and its page have parted';
}

const counted = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

function worldText({ pages, mms, cpus, hugeFolios, regionOrder, swapSlots, broadcastFlush }: MemoryShape, { memory, folios }: UnsharingLitmusWorld): string {
  return [
    `${counted(pages, 'page')} of ${memory === 'file' ? 'a file, mapped privately' : 'anonymous memory'}`,
    ...(hugeFolios > 0 ? [`${folios === 'hugetlb' ? 'hugetlb' : 'huge'} folios of order ${regionOrder}`] : []),
    counted(mms, 'process', 'processes'),
    counted(cpus, 'CPU'),
    ...(swapSlots > 0 ? [counted(swapSlots, 'swap slot')] : []),
    `flushes by ${broadcastFlush ? 'broadcast' : 'IPI'}`,
  ].join(', ');
}
