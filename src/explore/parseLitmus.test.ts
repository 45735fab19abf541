/** Litmus files: what they mean, what is said of wrong ones, and that nothing but a clear message ever comes of a damaged one. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TaskFlag } from '../model/tasks.ts';
import { UserError } from '../model/userError.ts';
import { Access } from '../workloads/workload.ts';
import type { Litmus } from './litmus.ts';
import { conversionFamily } from './families/index.ts';
import { parseLitmus, readLitmus } from './parseLitmus.ts';
import { sentences } from './sentences.ts';

const FULL = `# a comment
name: gup-fast-against-to-private
question: Does a pin survive the conversion of its page?
source: 'mm/gup.c (gup_fast_pte_range); "Re: guest_memfd" by D. Hildenbrand, 28 Feb 2024'
world:
  pages: 4
  order: 1
  region-order: 2
  large-backing: true
  start: [shared, shared, private, private]
  mmap: false
  content: zero
  flush: broadcast
  lru-batch: 3
  lazy: true
  windows: 2
  spare-folios: 1
  patience: forever
before:
  - other: host write 0 0xB
  - vcpu: to-private 1 => EAGAIN at 0
threads:
  vcpu:
    - to-private 0..1 # the race
  host:
    - pin 0 as buffer short fast
    - repeat: 2
      do:
        - host read any
        - unpin buffer
        - repeat: 1
          do: [pin 1 as buffer]
    - unpin buffer
  other: { process: 1, do: [host read 0 through 1] }
always: [M1, private-unreachable]
sometimes:
  - vcpu.1 => OK
never:
  - host.2 => SIGBUS
policies: [sigbus-on-fault, gap]
checks: [refcount, mapcount]
expect:
  '*': proved
  gap/mapcount: broken
`;

const SMALL = `name: x
question: Is it?
source: mm/gup.c
threads:
  vcpu:
    - to-private 0
expect:
  '*': proved
`;
const parse = (text: string): Litmus => parseLitmus(text, 'litmus/conversion/x.litmus.yaml');
const complaintOf = (text: string): string => {
  try {
    parse(text);
    return 'none';
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as Error).message.replace('litmus/conversion/x.litmus.yaml:', '');
  }
};

describe('a litmus file', () => {
  test('means what it says', () => {
    const { expectation, outcomes, ...rest } = parseLitmus(FULL, 'litmus/conversion/gup-fast-against-to-private.litmus.yaml');
    const plain = { page: 0, count: 1, slot: 0, window: 0, value: 0, flags: 0 };
    const read = { ...plain, kind: Access.HostRead, page: 'any', text: 'host read any', line: 29 };
    const unpin = { ...plain, kind: Access.Unpin, text: 'unpin buffer', line: 30 };
    const pin = { ...plain, kind: Access.PinShort, page: 1, text: 'pin 1 as buffer', line: 32 };
    expect(rest).toEqual({
      family: conversionFamily,
      name: 'gup-fast-against-to-private',
      path: 'litmus/conversion/gup-fast-against-to-private.litmus.yaml',
      question: 'Does a pin survive the conversion of its page?',
      source: 'mm/gup.c (gup_fast_pte_range); "Re: guest_memfd" by D. Hildenbrand, 28 Feb 2024',
      world: {
        pages: 4,
        folioOrder: 1,
        regionOrder: 2,
        largeBacking: true,
        giganticOrder: 0,
        pmdMappings: false,
        shared: [true, true, false, false],
        mmap: false,
        content: 'zero',
        flush: 'broadcast',
        lruBatch: 3,
        lazy: true,
        windowsPerProcess: 2,
        spareFolios: 1,
        patience: Infinity,
      },
      buffers: ['buffer'],
      before: [
        { thread: 2, operation: { ...plain, kind: Access.HostWrite, value: 11, text: 'host write 0 0xB', line: 20 } },
        { thread: 0, operation: { ...plain, kind: Access.ToPrivate, page: 1, text: 'to-private 1', line: 21, expected: { errno: 'EAGAIN', at: 0 } } },
      ],
      threads: [
        { name: 'vcpu', role: 'vcpu', process: 0, operations: [{ ...plain, kind: Access.ToPrivate, count: 2, text: 'to-private 0..1', line: 24 }] },
        {
          name: 'host',
          role: 'vmm',
          process: 0,
          operations: [
            { ...plain, kind: Access.PinShort, flags: TaskFlag.FastOnly, text: 'pin 0 as buffer short fast', line: 26 },
            read, unpin, pin, read, unpin, pin,
            { ...unpin, line: 33 },
          ],
        },
        { name: 'other', role: 'vmm', process: 1, operations: [{ ...plain, kind: Access.HostRead, window: 1, text: 'host read 0 through 1', line: 34 }] },
      ],
      always: ['M1', 'private-unreachable'],
      sometimes: [{ thread: 0, operation: 0, result: { errno: 'OK' }, text: 'vcpu.1 => OK', line: 37 }],
      never: [{ thread: 1, operation: 1, result: { errno: 'SIGBUS' }, text: 'host.2 => SIGBUS', line: 39 }],
      policies: ['sigbus-on-fault', 'gap'],
      checks: ['refcount', 'mapcount'],
    });
    expect(expectation('gap', 'mapcount')).toEqual({ verdict: 'broken', line: 44 });
    expect(outcomes('gap', 'mapcount')).toBeUndefined();
  });

  test('may have a gigantic leaf over large backing', () => {
    expect(parse(`${SMALL}world: { large-backing: true, gigantic-order: 3, order: 1 }\n`).world.giganticOrder).toBe(3);
  });

  test('may have PMDs over large folios', () => {
    expect(parse(`${SMALL}world: { pages: 4, order: 2, region-order: 1, pmd-mappings: true }\n`).world.pmdMappings).toBe(true);
  });

  test('may leave out all that has a default', () => {
    const { world, before, buffers, always, sometimes, never, policies, checks } = parse(SMALL);
    expect(world).toEqual({
      pages: 2, folioOrder: 0, regionOrder: 1, largeBacking: false, pmdMappings: false, giganticOrder: 0, shared: [true, true], mmap: true, content: 'none', flush: 'ipi', lruBatch: 0, lazy: false,
      windowsPerProcess: 1, spareFolios: 2, patience: 0,
    });
    expect({ before, buffers, always, sometimes, never, policies, checks }).toEqual({
      before: [], buffers: [], always: sentences.map(({ name }) => name), sometimes: [], never: [], policies: undefined, checks: undefined,
    });
  });

  test.each([
    ['a write of a value', SMALL.replace('to-private 0', 'guest write 0 7')],
    ['a read of one', SMALL.replace('to-private 0', 'guest read 0 => 0')],
    ['one before everything', SMALL.replace('threads:', 'before: [vcpu: guest write 0 7]\nthreads:')],
    ['a fact about one', `${SMALL.replace('to-private 0', 'guest read 0')}never: [vcpu.1 => 7]\n`],
  ])('keeps contents where there is %s', (_, text) => expect(parse(text).world.content).toBe('preserve'));

  test('starts as it says, all pages or each', () => {
    expect(parse(`${SMALL}world: { start: private, pages: 3 }\n`).world.shared).toEqual([false, false, false]);
    expect(parse(`${SMALL}world: { start: [private, shared] }\n`).world.shared).toEqual([false, true]);
  });

  test('mentions names that only its reader can know, with their lines', () => {
    expect(readLitmus(FULL, 'gup-fast-against-to-private.litmus.yaml').mentions).toEqual([
      { policy: 'sigbus-on-fault', line: 40 },
      { policy: 'gap', line: 40 },
      { check: 'refcount', line: 41 },
      { check: 'mapcount', line: 41 },
      { sentence: 'M1', line: 35 },
      { sentence: 'private-unreachable', line: 35 },
      { policy: 'gap', check: 'mapcount', line: 44 },
    ]);
  });

  test.each(['x.litmus.yaml', './a/x.yml', 'C:\\work\\x.litmus.yaml', 'x'])('is called as its file, %s', (path) => expect(parseLitmus(SMALL, path).name).toBe('x'));

  test('has the same meaning with the line ends of Windows', () => {
    const plain = (litmus: Litmus): string => JSON.stringify(litmus);
    expect(plain(parse(SMALL.replaceAll('\n', '\r\n')))).toBe(plain(parse(SMALL)));
  });
});

describe('a wrong file is told, with the line:', () => {
  const thread = (operations: readonly string[]): string => SMALL.replace('    - to-private 0', operations.map((operation) => `    - ${operation}`).join('\n'));
  const threads = (body: string): string => SMALL.replace('  vcpu:\n    - to-private 0\n', body);

  test.each([
    ['nothing in it', '', '1: the file is empty'],
    ['a comment alone', '# nothing\n', '1: the file is empty'],
    ['a list', '- a\n', '1: the file is a list\n  why: it must be a map'],
    ['no YAML', SMALL.replace('- to-private 0', '- [to-private 0'), '7: this is not YAML'],
    ['a colon in a text', SMALL.replace('Is it?', 'Is it: yes?'), '2: this is not YAML\n  why: Nested mappings are not allowed in compact mappings\n  fix: mend the syntax; put quotes'],
    ['a tab', `${SMALL}world:\n\tpages: 2\n`, '10: this is not YAML\n  why: Tabs are not allowed'],
    ['two documents', `${SMALL}---\nname: y\n`, '9: a second YAML document'],
    ['an anchor', SMALL.replace('Is it?', '&a Is it?'), '2: anchors (&), aliases (*) and tags (!) are not part of the language'],
    ['a tag', SMALL.replace('Is it?', '!!str Is it?'), '2: anchors (&), aliases (*) and tags (!)'],
    ['an alias', SMALL.replace('Is it?', '*a'), '2: anchors (&), aliases (*) and tags (!)'],
    ['a key twice', `${SMALL}name: y\n`, '9: the key "name" stands twice\n  why: line 1 has it already'],
    ['a thread twice', threads('  vcpu: [to-private 0]\n  vcpu: [to-private 0]\n'), '6: the key "vcpu" stands twice\n  why: line 5 has it already'],
    ['an unknown key', `${SMALL}outcome: []\n`, '9: unknown key "outcome"\n  why: the keys are name, question, source, family, world, before, threads, always, sometimes, never, outcomes, policies, checks, expect\n  fix: did you mean "outcomes"?'],
    ['an unknown key of the world', `${SMALL}world:\n  pages: 2\n  windos: 1\n`, '11: unknown key "windos" in `world`'],
    ['an unknown key of a thread', threads('  vcpu: { proces: 0, do: [] }\n'), '5: unknown key "proces" in `vcpu`\n  why: the keys are process, do\n  fix: did you mean "process"?'],
    ['an unknown key of a repeat', thread(['repeat: 2\n      du: [close]']), '7: unknown key "du" in `repeat`'],
    ['no name', SMALL.replace('name: x\n', ''), '1: `name` is missing'],
    ['no question', SMALL.replace('question: Is it?\n', ''), '1: `question` is missing'],
    ['no source', SMALL.replace('source: mm/gup.c\n', ''), '1: `source` is missing\n  why: a kernel function, a mail, a paper or a selftest'],
    ['no threads', threads('').replace('threads:\n', ''), '1: `threads` is missing'],
    ['no expect', SMALL.slice(0, SMALL.indexOf('expect')), '1: `expect` is missing'],
    ['a question of nothing', SMALL.replace('Is it?', ''), '2: `question` is nothing\n  why: it must be a text\n  fix: write some words'],
    ['a source that is a number', SMALL.replace('mm/gup.c', '12'), '3: `source` is "12"\n  why: it must be a text\n  fix: put it in quotes'],
    ['another name', SMALL.replace('name: x', 'name: y'), '1: the name is "y" and the file\'s is "x"\n  why: a litmus is found by its name\n  fix: write `name: x`, or rename the file'],
    ['too many pages', `${SMALL}world: { pages: 9 }\n`, '9: `pages` is "9"\n  why: it must be a whole number from 1 to 8'],
    ['half a page', `${SMALL}world: { pages: 1.5 }\n`, '9: `pages` is "1.5"'],
    ['half a folio', `${SMALL}world:\n  pages: 3\n  order: 1\n`, '11: 3 pages cannot be made of folios of order 1\n  why: a folio has 2 pages, and the file is made of whole ones\n  fix: set `pages` to a multiple of 2'],
    ['a gigantic leaf of small memory', `${SMALL}world:\n  gigantic-order: 2\n`, '10: `gigantic-order` 2 goes with no memory of this world\n  why: a gigantic leaf needs large backing, more pages than a region (order 1), and as many as a folio (order 0)'],
    ['a gigantic leaf of one region', `${SMALL}world: { large-backing: true, gigantic-order: 1 }\n`, '9: `gigantic-order` 1 goes with no memory'],
    ['a PMD of small folios', `${SMALL}world:\n  pmd-mappings: true\n`, '10: no PMD can map a folio of order 0 in regions of order 1\n  why: a PMD maps all pages of a region, which are more than one and of one folio\n  fix: set `order` to 1 or more'],
    ['a PMD of one page', `${SMALL}world: { pmd-mappings: true, region-order: 0 }\n`, '9: no PMD can map a folio of order 0 in regions of order 0\n  why: a PMD maps all pages of a region, which are more than one and of one folio\n  fix: set `region-order` to 1 or more, and `order` to as much'],
    ['a switch that is none', `${SMALL}world: { lazy: maybe }\n`, '9: `lazy` is "maybe"\n  why: it must be true or false'],
    ['an unknown flush', `${SMALL}world: { flush: ipis }\n`, '9: `flush` is "ipis"\n  why: it must be one of ipi, broadcast\n  fix: did you mean "ipi"?'],
    ['an unknown content rule', `${SMALL}world: { content: preserved }\n`, '9: `content` is "preserved"'],
    ['an unknown side', `${SMALL}world: { start: [shared, secret] }\n`, '9: `start` is "secret"'],
    ['too few sides', `${SMALL}world:\n  start:\n    - shared\n`, '11: `start` lists 1 pages\n  why: the file has 2'],
    ['patience that is no number', `${SMALL}world: { patience: always }\n`, '9: `patience` is "always"\n  why: it is how often the VMM repeats a request that was refused: 0 to 7, or forever\n  fix: write a number or forever'],
    ['too much patience', `${SMALL}world: { patience: 8 }\n`, '9: `patience` is "8"\n  why: it is how often the VMM repeats a request that was refused: 0 to 7, or forever\n  fix: write forever'],
    ['a list for patience', `${SMALL}world: { patience: [1] }\n`, '9: `patience` is a list'],
    ['no threads in it', threads('  {}\n'), '5: there are no threads'],
    ['threads that do nothing', threads('  vcpu: []\n  host: { do: [] }\n'), '5: no thread does anything'],
    ['seven threads', threads([0, 1, 2, 3, 4, 5, 6].map((at) => `  vcpu${at}: [close]\n`).join('')), '11: there are 7 threads'],
    ['a vCPU behind a host thread', threads('  host: [close]\n  vcpu: [close]\n'), '6: the vCPU "vcpu" comes after the host thread "host"\n  why: vCPUs come first'],
    ['a vCPU of another process', threads('  vcpu:\n    process: 1\n    do: [close]\n'), '6: the vCPU "vcpu" is in process 1'],
    ['a thread without a list', threads('  host: { process: 1 }\n'), '5: the thread "host" does nothing'],
    ['a name with a dot', threads('  vcpu.1: [close]\n'), '5: "vcpu.1" is no name of a thread'],
    ['one operation in place of a list', threads('  vcpu: close\n'), '5: `vcpu` is "close"\n  why: it must be a list'],
    ['no operation', thread(['close', '']), '7: nothing where an operation is expected'],
    ['a list as an operation', thread(['[close]']), '6: a list where an operation is expected'],
    ['an operation with a colon', thread(['to-private: 0']), '6: a map where an operation is expected'],
    ['an unknown operation', thread(['close', 'to-privat 0']), '7: unknown operation "to-privat 0"'],
    ['a page too far', thread(['to-private 2']), '6: page 2 is beyond the end of the file\n  why: the file has 2 pages, 0 to 1'],
    ['nine repeats', thread(['repeat: 9\n      do: [close]']), '6: `repeat` is "9"\n  why: it must be a whole number from 1 to 8'],
    ['no repeat', thread(['repeat: 0\n      do: [close]']), '6: `repeat` is "0"'],
    ['a repeat of nothing', thread(['repeat: 2']), '6: `repeat` without `do`'],
    ['a list without a repeat', thread(['do: [close]']), '6: `do` without `repeat`'],
    ['97 operations', thread(Array.from({ length: 97 }, () => 'close')), '102: the thread "vcpu" has more than 96 operations'],
    ['25 operations beside others', threads(`  vcpu:\n    - repeat: 5\n      do: [close, close, close, close, close]\n  host: [close]\n`), '7: the thread "vcpu" has more than 24 operations'],
    ['an unknown thread before', `${SMALL}before:\n  - vcp: close\n`, '10: unknown thread "vcp"\n  why: the threads are vcpu\n  fix: did you mean "vcpu"?'],
    ['two operations before in one', `${SMALL}before:\n  - vcpu: close\n    host: close\n`, '11: two operations in one item of `before`'],
    ['nothing before', `${SMALL}before:\n  - {}\n`, '10: `before` is a map\n  why: it must be a list of THREAD: OPERATION'],
    ['a value where contents are not kept', `${thread(['guest write 0 7'])}world: { content: none }\n`, '6: "guest write 0 7" has a value'],
    ['no sentence to hold', `${SMALL}always: []\n`, '9: `always` is an empty list'],
    ['a policy twice', `${SMALL}policies:\n  - gap\n  - gap\n`, '11: "gap" stands twice in `policies`'],
  ])('%s', (_, text, expected) => expect(complaintOf(text)).toContain(expected));

  test.each([
    ['a buffer that nobody pins', thread(['unpin buffer']), '6: "unpin buffer" comes before any pin names "buffer"\n  why: no pin of the file names a buffer\n  fix: pin it first: pin 0 as buffer'],
    ['a buffer of another name', thread(['pin 0 as buffer', 'access bufer']), '7: "access bufer" comes before any pin names "bufer"\n  why: the pins of the file name buffer\n  fix: did you mean "buffer"?'],
    ['a pin that comes later', thread(['unpin buffer', 'pin 0 as buffer']), '6: "unpin buffer" comes before any pin names "buffer"\n  why: the pins of the file name buffer\n  fix: move it behind the pin'],
    ['a pin that comes later, for what comes before', `${thread(['pin 0 as buffer'])}before: [vcpu: unpin buffer]\n`, '9: "unpin buffer" comes before any pin names "buffer"'],
    ['a buffer filled again', thread(['pin 0 as a', 'unpin a', 'pin 0 as a', 'pin 1 as a']), '9: "pin 1 as a" fills "a" again\n  why: nothing has unpinned it'],
    ['a buffer filled again by a repeat', thread(['repeat: 2\n      do: [pin 0 as a]']), '7: "pin 0 as a" fills "a" again'],
    ['a buffer that was filled before', `${thread(['vmsplice 0 as a'])}before: [vcpu: pin 0 as a]\n`, '6: "vmsplice 0 as a" fills "a" again'],
  ])('%s', (_, text, expected) => expect(complaintOf(text)).toContain(expected));

  test.each([
    ['another thread pins it', threads('  vcpu: [pin 0 as a]\n  host: [access a, unpin a]\n')],
    ['another thread may unpin it', threads('  vcpu: [pin 0 as a, pin 0 as a]\n  host: [unpin a]\n')],
    ['the first pin fails', thread(['pin 0 as a => EFAULT', 'pin 0 as a'])],
    ['it was pinned before', `${thread(['access a', 'unpin a'])}before: [vcpu: pin 0 as a]\n`],
  ])('and nothing is said of a buffer where %s', (_, text) => expect(complaintOf(text)).toBe('none'));
});

/* ---- properties ---- */

interface Written {
  readonly text: string;
  readonly means: object;
}
const page = fc.constantFrom<[string, object]>(['0', { page: 0 }], ['1', { page: 1 }], ['any', { page: 'any' }]);
const range = fc.oneof(page, fc.constantFrom<[string, object]>(['0..1', { page: 0, count: 2 }], ['file', { page: 0, count: 4 }], ['2..3', { page: 2, count: 2 }]));
const through = fc.constantFrom<[string, object]>(['', {}], [' through 1', { window: 1 }]);
const ends = fc.constantFrom<[string, object]>(['', {}], [' => OK', { expected: { errno: 'OK' } }], [' => EINVAL', { expected: { errno: 'EINVAL' } }]);
const operation = (words: string, kind: number, ...parts: fc.Arbitrary<[string, object]>[]): fc.Arbitrary<Written> =>
  fc.tuple(fc.tuple(...parts), ends).map(([all, [ending, expected]]) => {
    const text = [words, ...all.map(([part]) => part)].filter((part) => part !== '').join(' ').replaceAll('  ', ' ');
    return { text: text + ending, means: { page: 0, count: 1, slot: 0, window: 0, value: 0, flags: 0, kind, text, ...Object.assign({}, ...all.map(([, means]) => means), expected) } };
  });
const written = fc.oneof(
  operation('guest read', Access.GuestRead, page),
  operation('guest write', Access.GuestWrite, page, fc.integer({ min: 1, max: 255 }).map((value): [string, object] => [`${value}`, { value }])),
  operation('host read', Access.HostRead, page, through),
  operation('host write', Access.HostWrite, page, fc.integer({ min: 1, max: 255 }).map((value): [string, object] => [`0x${value.toString(16)}`, { value }]), through),
  operation('to-private', Access.ToPrivate, range),
  operation('to-shared', Access.ToShared, range),
  operation('io', Access.Io, range),
  operation('copy', Access.Copy, range),
  operation('punch', Access.Punch, range),
  operation('munmap', Access.Unmap, range, through),
  operation('mmap', Access.Map, range, fc.constantFrom<[string, object]>(['', {}], ['private', { flags: TaskFlag.CopyOnWrite }]), through),
  operation('close', Access.Close),
);
const thread = fc.array(written, { minLength: 1, maxLength: 8 });
const yamlOf = (threads: readonly (readonly Written[])[], world: object): string =>
  [
    'name: x', 'question: Is it?', 'source: "mm/gup.c: everything"', `world: ${JSON.stringify(world)}`, 'threads:',
    ...threads.flatMap((operations, at) => [`  vcpu${at}:`, ...operations.map(({ text }) => `    - ${text}`)]),
    `expect:\n  '*': proved`,
  ].join('\n');

describe('any file', () => {
  test('that is printed from its parts is read back as them', () => {
    const world = fc.record({ lazy: fc.boolean(), order: fc.nat({ max: 2 }), 'region-order': fc.nat({ max: 3 }), 'lru-batch': fc.nat({ max: 31 }), patience: fc.nat({ max: 7 }) });
    fc.assert(
      fc.property(fc.array(thread, { minLength: 1, maxLength: 6 }), world, (threads, switches) => {
        const litmus = parse(yamlOf(threads, { pages: 4, windows: 2, ...switches }));
        const found = litmus.threads.map(({ operations }) => operations.map((one) => ({ ...one, line: 0 })));
        expect(found).toEqual(threads.map((operations) => operations.map(({ means }) => ({ ...means, line: 0 }))));
        const { lazy, folioOrder, regionOrder, lruBatch, patience } = litmus.world;
        expect({ lazy, order: folioOrder, 'region-order': regionOrder, 'lru-batch': lruBatch, patience }).toEqual(switches);
      }),
    );
  });

  /** What is wrong with the message that reading a text gives; undefined where it is read, or told clearly with file and line. */
  const unclear = (text: string, path: string): string | undefined => {
    try {
      parseLitmus(text, path);
    } catch (error) {
      if (!(error instanceof UserError)) return `no message but ${String(error)}`;
      const { what, why, fix } = error;
      if (!what.startsWith(`${path}:`)) return `no file: ${what}`;
      const line = Number(/^(\d+): ./.exec(what.slice(path.length + 1))?.[1]);
      if (!(line >= 1 && line <= text.split('\n').length)) return `no line: ${what}`;
      if (why === '' || fix === '') return `no reason or no way out: ${what}`;
    }
    return undefined;
  };

  test('with one character damaged is read, or there is a message with file and line', () => {
    const path = 'gup-fast-against-to-private.litmus.yaml';
    const character = fc.oneof(fc.constantFrom(...'\t\n:*&!|>[]{},#\'"%@`-?\\=.0 '), fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }));
    fc.assert(
      fc.property(fc.nat({ max: FULL.length - 1 }), fc.nat({ max: 2 }), character, (at, cut, put) => {
        // Removed, replaced, or put before.
        const damaged = [FULL.slice(0, at) + FULL.slice(at + 1), FULL.slice(0, at) + put + FULL.slice(at + 1), FULL.slice(0, at) + put + FULL.slice(at)];
        expect(unclear(damaged[cut], path)).toBeUndefined();
      }),
      { numRuns: 1500 },
    );
  });

  test('that is garbage has a message with file and line', () => {
    const word = fc.constantFrom('name: x', 'threads:', '  vcpu:', '    - to-private 0', '- ', ': ', '? ', '[', '{', '}', ']', '"', "'", '&a ', '*a', '!!set ', '|', '>', '---', '...', '%YAML 1.1', '<<: ', '\n', '\r\n', '\t');
    const garbage = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), fc.array(word, { maxLength: 30 }).map((words) => words.join('')));
    fc.assert(
      fc.property(garbage, (text) => {
        expect(unclear(text, 'x.litmus.yaml')).toBeUndefined();
      }),
      { numRuns: 1000 },
    );
  });

  test('that nests without an end has one too', () => {
    for (const text of ['['.repeat(20_000), '- '.repeat(2_000), '{a: '.repeat(500), `${'[['.repeat(20)}${']]'.repeat(20)}`]) {
      expect(() => parseLitmus(text, 'x.litmus.yaml')).toThrow(/^x\.litmus\.yaml:1: /);
    }
  });
});
