/**
 * Random litmuses: small programs of two or three threads as fast-check draws them, written as the text of a litmus file, so
 * that a failure prints a file which anybody can run.
 *
 * Texts may be refused by the parser (a buffer that nobody fills); a property passes over those (`fc.pre`).
 */
import * as fc from 'fast-check';
import { parseLitmus } from '../../src/explore/parseLitmus.ts';
import type { Litmus } from '../../src/explore/litmus.ts';
import { UserError } from '../../src/model/userError.ts';

export const PAGES = 2;

export interface RandomThread {
  readonly role: 'vcpu' | 'host';
  readonly process: number;
  /** Operations as in a file; `BUFFER` stands for a buffer of the thread's own. */
  readonly operations: readonly string[];
  /** How many threads run this program. */
  readonly copies: number;
}

export interface RandomLitmus {
  readonly world: Readonly<Record<string, string | number | boolean>>;
  readonly before: readonly string[];
  readonly threads: readonly RandomThread[];
}

const page = fc.constantFrom('0', '1', 'any');
const range = fc.oneof({ weight: 3, arbitrary: page }, { weight: 1, arbitrary: fc.constantFrom('file') });
const line = (...parts: readonly (string | fc.Arbitrary<string>)[]): fc.Arbitrary<readonly string[]> =>
  fc.tuple(...parts.map((part) => (typeof part === 'string' ? fc.constant(part) : part))).map((words) => [words.filter((word) => word !== '').join(' ')]);

const window = fc.constantFrom('', '', '', 'through 1');
const pinned = fc
  .tuple(range, fc.constantFrom('short fast', 'short', 'long-term', 'get fast', 'get slow', 'short read slow'), fc.constantFrom(['unpin BUFFER'], ['unpin BUFFER'], ['access BUFFER', 'unpin BUFFER'], []))
  .map(([pages, how, after]) => [`pin ${pages} as BUFFER ${how}`, ...after]);
/** A buffer that one thread fills and another one may use. */
const sharedBuffer = fc.constantFrom(['pin 0 as shared get'], ['access shared'], ['unpin shared'], ['pin 0 as shared short fast', 'unpin shared']);

const hostOperation = fc.oneof(
  { weight: 4, arbitrary: line('host read', page, window) },
  { weight: 4, arbitrary: line('host write', page, fc.constantFrom('', '0xA', '0xB'), window) },
  { weight: 6, arbitrary: pinned },
  { weight: 1, arbitrary: sharedBuffer },
  { weight: 2, arbitrary: line('io', page) },
  { weight: 2, arbitrary: line('copy', page) },
  { weight: 2, arbitrary: line('punch', range) },
  { weight: 1, arbitrary: line('allocate', page) },
  { weight: 2, arbitrary: line('mmap', range, window) },
  { weight: 3, arbitrary: line('munmap', range, window) },
  { weight: 1, arbitrary: line('fork', fc.constantFrom('', 'reads 1')) },
  { weight: 2, arbitrary: line('to-private', range) },
  { weight: 2, arbitrary: line('secondary map', page) },
  { weight: 2, arbitrary: line('secondary access', page) },
  { weight: 1, arbitrary: line('close') },
);
const vcpuOperation = fc.oneof(
  { weight: 6, arbitrary: line('to-private', range) },
  { weight: 2, arbitrary: line('to-shared', range) },
  { weight: 3, arbitrary: line('guest write', page, fc.constantFrom('', '0xC')) },
  { weight: 1, arbitrary: line('guest read', page) },
  { weight: 1, arbitrary: line('punch', range) },
);

const programOf = (operation: fc.Arbitrary<readonly string[]>): fc.Arbitrary<readonly string[]> =>
  fc.array(operation, { minLength: 1, maxLength: 2 }).map((list) => list.flatMap((lines, nth) => lines.map((text) => text.replace('BUFFER', `BUFFER${nth}`))));
const copies = fc.constantFrom(1, 1, 1, 2);
const vcpu = fc.record({ role: fc.constant('vcpu' as const), process: fc.constant(0), operations: programOf(vcpuOperation), copies });
const host = fc.record({ role: fc.constant('host' as const), process: fc.constantFrom(0, 0, 0, 1), operations: programOf(hostOperation), copies });

const world = fc.record({
  pages: fc.constant(PAGES),
  order: fc.constantFrom(0, 0, 0, 0, 1),
  flush: fc.constantFrom('ipi', 'ipi', 'broadcast'),
  'lru-batch': fc.constantFrom(0, 0, 0, 1),
  lazy: fc.constantFrom(false, false, false, true),
  content: fc.constantFrom('none', 'none', 'preserve', 'zero'),
  windows: fc.constantFrom(1, 1, 1, 2),
  start: fc.constantFrom('shared', 'shared', 'shared', 'private', '[shared, private]'),
  patience: fc.constantFrom('0', '0', '1', 'forever'),
  'large-backing': fc.constantFrom(false, false, false, true),
});

/** Two or three threads, those that run the same program counted apart. */
const litmusIn = (worlds: fc.Arbitrary<RandomLitmus['world']>): fc.Arbitrary<RandomLitmus> => fc
  .record({
    world: worlds,
    before: fc.constantFrom([], ['host read 0'], ['host write 0 0xA', 'host write 1'], ['host read 1'], ['secondary map 0']),
    threads: fc.tuple(vcpu, host, fc.option(fc.oneof(vcpu, host), { nil: undefined })).map(([first, second, third]) => (third === undefined ? [first, second] : [first, second, { ...third, copies: 1 }])),
  })
  .map(({ threads, ...rest }) => ({ ...rest, threads: [...threads].sort((a, b) => (a.role === b.role ? 0 : a.role === 'vcpu' ? -1 : 1)) }));

export const randomLitmus: fc.Arbitrary<RandomLitmus> = litmusIn(world);

/** The same in worlds in which the host's fault may map a whole folio, or half of one, with one entry. */
export const randomPmdLitmus: fc.Arbitrary<RandomLitmus> = litmusIn(
  fc.tuple(world, fc.constantFrom({ order: 1 }, { order: 1 }, { pages: 4, order: 2, start: 'shared', 'large-backing': false })).map(([drawn, sizes]) => ({ ...drawn, ...sizes, 'region-order': 1, 'pmd-mappings': true })),
);

/** The text of the file. Values where the world keeps none, and mappings where there is but one, are left out. */
export function textOf({ world: asked, before, threads }: RandomLitmus): string {
  const plain = (operation: string): string => {
    const valued = asked['content'] === 'none' ? operation.replace(/ 0x./, '') : operation;
    return asked['windows'] === 2 ? valued : valued.replace(' through 1', '');
  };
  const named = threads.flatMap(({ copies: count, ...rest }) => Array.from({ length: count }, () => rest)).map((thread, nth) => ({ ...thread, name: `${thread.role}${nth}` }));
  const first = named.find(({ role }) => role === 'host')?.name ?? named[0].name;
  return [
    'name: random',
    'question: What comes of it?',
    'source: drawn at random',
    'world:',
    ...Object.entries(asked).map(([key, value]) => `  ${key}: ${value}`),
    ...(before.length === 0 ? [] : ['before:', ...before.map((operation) => `  - ${first}: ${plain(operation)}`)]),
    'threads:',
    ...named.flatMap(({ name, process, operations }) => [
      `  ${name}:`,
      ...(process === 0 ? [] : [`    process: ${process}`]),
      '    do:',
      ...operations.map((operation) => `      - ${plain(operation).replace('BUFFER', `${name}buffer`)}`),
    ]),
    'expect:',
    "  '*': proved",
    '',
  ].join('\n');
}

/** The litmus of a text; undefined where the parser refuses it. */
export function readRandom(text: string): Litmus | undefined {
  try {
    return parseLitmus(text, 'random.litmus.yaml');
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}
