/** How the litmus files of the family `wp-markers` are written: their world, and their operations. */
import { WpAccess } from '../workloads/wp-markers/access.ts';
import type { Details, Grammar, OperationForm, StatedWorld, WorldReader } from './grammar.ts';
import { hostThreads } from './hostThreads.ts';
import type { LitmusWorldBase } from './litmus.ts';
import { PAGES_MAX } from './litmusLimits.ts';
import { choiceOf } from './litmusYaml.ts';
import type { MistakeAt, YamlNode } from './litmusYaml.ts';

/** The world of the family. */
export interface WpWorld extends LitmusWorldBase {
  readonly regionOrder: number;
  readonly anonymous: boolean;
  readonly wpAsync: boolean;
  readonly monitored: boolean;
  readonly faultAroundPages: number;
  /** By page: in the page cache at the start. */
  readonly cached: readonly boolean[];
  /** Contents are kept: somebody compares or writes one. */
  readonly contents: boolean;
}

const FILES = ['cached', 'hole'] as const;

function readWorld({ mistake, lineOf, read, integer, boolean, choice }: WorldReader): StatedWorld<WpWorld> {
  const pages = integer('pages', 2, 1, PAGES_MAX);
  const anonymous = choice('memory', 'shmem', ['shmem', 'anonymous']) === 'anonymous';
  const around = integer('fault-around', 1, 1, PAGES_MAX);
  if ((around & (around - 1)) !== 0) {
    throw mistake(lineOf('fault-around'), { what: `\`fault-around\` is ${around}`, why: 'a fault maps an aligned window of 1, 2, 4 or 8 pages', fix: 'write one of these' });
  }
  const world = {
    pages,
    windowsPerProcess: 1,
    patience: 0,
    regionOrder: integer('region-order', 1, 0, 3),
    anonymous,
    wpAsync: choice('faults', 'sync', ['sync', 'async']) === 'async',
    monitored: boolean('monitor', true),
    faultAroundPages: around,
    cached: anonymous ? [] : read<readonly boolean[]>('file', Array.from({ length: pages }, () => true), (node) => parseFile(mistake, node, pages)),
  };
  return {
    ...world,
    finish: (operations, comparesValues) => {
      const fork = operations.find(({ kind }) => kind === WpAccess.Fork || kind === WpAccess.ForkWithEvents);
      if (anonymous && fork !== undefined) {
        throw mistake(fork.line, { what: `"${fork.text}" is not for anonymous memory`, why: 'what fork does to anonymous memory is the question of the family unsharing', fix: 'leave `memory` out, or the fork' });
      }
      return { ...world, contents: comparesValues || operations.some(({ kind, value, expected }) => value !== 0 || (kind === WpAccess.Read && expected?.value !== undefined)) };
    },
  };
}

function parseFile(mistake: MistakeAt, node: YamlNode, pages: number): readonly boolean[] {
  if (node.kind !== 'list') {
    const cached = choiceOf(mistake, node, 'file', FILES) === 'cached';
    return Array.from({ length: pages }, () => cached);
  }
  if (node.items.length !== pages) {
    throw mistake(node.line, { what: `\`file\` lists ${node.items.length} pages`, why: `the file has ${pages}`, fix: 'write cached or hole once for each page, or once for all' });
  }
  return node.items.map((item) => choiceOf(mistake, item, 'file', FILES) === 'cached');
}

const ranged = (words: string, kind: number, example: string, means: string): OperationForm => ({ words, form: `${words} RANGE`, example, means, read: ({ range }): Details => ({ kind, ...range() }) });

const OPERATIONS: readonly OperationForm[] = [
  { words: 'read', form: 'read PAGE', example: 'read 0 => 1', means: 'loads from a page', read: ({ page }) => ({ kind: WpAccess.Read, ...page() }) },
  { words: 'write', form: 'write PAGE [VALUE]', example: 'write 0 1', means: 'stores to a page', read: ({ page, writtenValue }) => ({ kind: WpAccess.Write, ...page(), value: writtenValue() }) },
  ranged('wp', WpAccess.Protect, 'wp 0..1', 'UFFDIO_WRITEPROTECT: write-protects'),
  ranged('unwp', WpAccess.Unprotect, 'unwp 0', 'and takes the protection away; who sleeps for it wakes'),
  { words: 'wp-bit', form: 'wp-bit PAGE', example: 'wp-bit 0 => 1', means: 'what pagemap says of the bit: 1 or 0', read: ({ page }) => ({ kind: WpAccess.ReadBit, ...page() }) },
  ranged('scan', WpAccess.Scan, 'scan 0..1 => 2', 'PAGEMAP_SCAN: how many pages were written since they were protected'),
  ranged('scan-wp', WpAccess.ScanProtect, 'scan-wp 0..1 => 2', 'the same, and protects what it reports (PM_SCAN_WP_MATCHING)'),
  ranged('dontneed', WpAccess.DontNeed, 'dontneed 0', 'MADV_DONTNEED'),
  ranged('reclaim', WpAccess.Reclaim, 'reclaim 0 => OK', 'memory pressure: pages go to swap; EBUSY where one is in use'),
  ranged('punch', WpAccess.Punch, 'punch 0', 'punches a hole into the file'),
  {
    words: 'fork',
    form: 'fork THREAD [events]',
    example: 'fork child events',
    means: 'gives birth to the process of a thread, with or without fork events',
    read: ({ thread, take }) => ({ slot: thread(), kind: take('events') ? WpAccess.ForkWithEvents : WpAccess.Fork }),
  },
  { words: 'exit', form: 'exit', example: 'exit', means: 'the process ends', read: () => ({ kind: WpAccess.Exit }) },
  ranged('numa-scan', WpAccess.NumaScan, 'numa-scan 0', 'NUMA balancing makes entries hints'),
  { words: 'migrate', form: 'migrate PAGE', example: 'migrate 0 => OK', means: 'moves a page to another frame; EBUSY where somebody has it', read: ({ page }) => ({ kind: WpAccess.Migrate, ...page() }) },
  { words: 'pin', form: 'pin PAGE as NAME', example: 'pin 0 as a', means: 'a long-term pin for reading', read: ({ page, expect, buffer }) => ({ kind: WpAccess.Pin, ...page(), slot: (expect('as'), buffer()) }) },
  { words: 'unpin', form: 'unpin NAME', example: 'unpin a', means: 'drops it', read: ({ buffer }) => ({ kind: WpAccess.Unpin, slot: buffer() }) },
];

export const WP_GRAMMAR: Grammar<WpWorld> = {
  worldKeys: [
    { key: 'pages', usual: '2', means: 'pages of the file, 1 to 8' },
    { key: 'region-order', usual: '1', means: 'log2 of the pages behind a page table, 0 to 3' },
    { key: 'memory', usual: 'shmem', means: 'shmem, mapped by every process; or anonymous, which is not forked' },
    { key: 'file', usual: 'cached', means: 'what stands in the page cache at the start: cached or hole, for all pages or as a list' },
    { key: 'fault-around', usual: '1', means: 'pages that a fault for a read may map: 1, 2, 4 or 8' },
    { key: 'faults', usual: 'sync', means: 'write-protection faults are the monitor\'s (sync), or the kernel resolves them (async)' },
    { key: 'monitor', usual: 'true', means: 'a monitor resolves faults as they come; false: they wait for an unwp' },
  ],
  readWorld,
  threads: hostThreads,
  operations: OPERATIONS,
  kinds: {
    readers: new Set<number>([WpAccess.Read, WpAccess.ReadBit, WpAccess.Scan, WpAccess.ScanProtect]),
    requests: new Set(),
    guest: new Set(),
    fills: new Set<number>([WpAccess.Pin]),
    uses: new Set(),
    drops: new Set<number>([WpAccess.Unpin]),
  },
};
