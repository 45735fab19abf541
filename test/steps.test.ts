/** What every step promises, and what a burst promises: that its chunk equals its single steps. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Machine } from '../src/explore/machine.ts';
import { search } from '../src/explore/search.ts';
import { noExposure } from '../src/explore/sentences.ts';
import { NO_REDUCTIONS } from '../src/explore/verdict.ts';
import { PageBit } from '../src/model/file.ts';
import { brokenInvariant } from '../src/model/invariants.ts';
import { OPERATIONS, Op } from '../src/model/operations.ts';
import type { OperationName } from '../src/model/operations.ts';
import type { Shape } from '../src/model/shape.ts';
import { inIMmap, inMm } from '../src/model/windows.ts';
import { sigbusOnFault } from '../src/policies/conversion/sigbus-on-fault.ts';
import type { ConversionPolicy } from '../src/policies/policy.ts';
import { libraryFiles, shippedPolicies } from './tools/library.ts';
import { Machine as ScriptMachine } from './tools/litmusMachine.ts';
import { policyNamed } from './tools/runScript.ts';
import { a } from './tools/scripted.ts';
import type { ScriptedAccess } from './tools/scripted.ts';
import { searchCell } from './tools/searched.ts';
import { smallLitmus } from './tools/smallLitmus.ts';
import type { SmallLitmus } from './tools/smallLitmus.ts';

/**
 * What the library's files leave out: every access kind on every path, one thread where one will do. They are no races that anybody
 * asked about, and say nothing but that each step keeps its promises.
 */
const more: readonly SmallLitmus[] = [
  ...['short', 'short fast', 'short slow', 'long-term', 'long-term read', 'long-term read fast', 'get', 'get fast', 'get slow'].map((how) => ({
    world: '{ pages: 2 }',
    threads: { vcpu: ['to-private 1'], host: ['host write 0', `pin 0..1 as buffer ${how}`, 'access buffer', 'unpin buffer'] },
  })),
  { threads: { vcpu: ['to-private 0'], host: ['pin 0 as buffer long-term read', 'unpin buffer', 'pin 0 as buffer long-term read', 'unpin buffer'] } },
  ...['long-term read', 'get fast', 'get slow', 'short slow'].map((how) => ({ threads: { other: ['munmap 0'], others: ['host read 0', `pin 0 as buffer ${how}`, 'unpin buffer'] } })),
  ...['long-term read', 'get', 'short'].map((how) => ({ world: '{ pages: 1, flush: broadcast }', threads: { vcpu: ['to-private 0'], host: ['host read 0', `pin 0 as buffer ${how}`] } })),
  ...['short slow', 'long-term', 'get slow', 'long-term read fast', 'get fast'].map((how) => ({ threads: { vcpu: [`pin 0 as buffer ${how}`, 'unpin buffer', 'to-private 0', `pin 0 as again ${how}`] } })),
  { world: '{ pages: 1, patience: 1 }', threads: { vcpu: ['pin 0 as buffer', 'to-private 0'] } },
  { world: '{ pages: 2, start: [shared, private] }', threads: { host: ['host read 1', 'copy 1', 'pin 1 as buffer'] } },
  { threads: { vcpu: ['to-private 0'], host: ['io 0', 'io 0'] } },
  { threads: { host: ['munmap 0', 'io 0', 'copy 0', 'host read 0', 'pin 0 as buffer', 'mmap 0', 'io 0'] } },
  { world: '{ pages: 2 }', threads: { host: ['munmap 0', 'io 1', 'io 0..1', 'copy 0..1', 'munmap 0..1', 'munmap 0', 'mmap 0..1', 'copy 0..1'] } },
  { threads: { a: ['host read 0'], b: ['host write 0'] } },
  ...['io 0', 'secondary map 0'].map((operation) => ({ before: ['a: host write 0'], threads: { a: ['munmap 0'], b: [operation] } })),
  { threads: { vcpu: ['to-private 0'], host: ['copy 0'] } },
  { world: '{ pages: 1, windows: 2 }', threads: { host: ['fork reads 0', 'munmap 0', 'fork'] } },
  { threads: { host: ['allocate 0', 'allocate 0', 'allocate 3', 'allocate bytes 1+1', 'punch bytes 1+1', 'punch 0'] } },
  { threads: { vcpu: ['to-private 0', 'to-private 0', 'to-shared 0', 'to-shared 0', 'guest write 0'] } },
  { threads: { vcpu: ['to-private 0'], host: ['secondary map 0', 'secondary access 0'] } },
  { threads: { a: ['munmap 0', 'secondary map 0', 'secondary access 0'] } },
  { threads: { vcpu: ['to-private 0', 'secondary map 0', 'secondary access 0'] } },
  { threads: { a: ['host write 0', 'munmap 0', 'close', 'close'] } },
  { threads: { vcpu: ['guest write 0'], host: ['host write 0', 'close', 'munmap 0', 'close'] } },
  { world: '{ pages: 1, mmap: false }', threads: { host: ['mmap 0', 'host read 0'] } },
  { world: '{ pages: 2, lazy: true, lru-batch: 1, patience: 1 }', threads: { vcpu: ['guest write 0'], host: ['pin 0 as buffer long-term'] } },
  { world: '{ pages: 2, start: private }', threads: { vcpu: ['to-shared 0'], host: ['mmap 0..1', 'host read 1'] } },
  // Only one policy knows of the third state; there a fault for a read leaves an entry that the first write faults at.
  { world: '{ pages: 1, lru-batch: 1 }', threads: { vcpu: ['to-read-only 0'], host: ['host write 0', 'pin 0 as buffer', 'unpin buffer'] } },
  { world: '{ pages: 1, lru-batch: 1 }', threads: { vcpu: ['to-read-only 0'], host: ['host write 0'], toucher: ['host write 0'] } },
  { world: '{ pages: 2 }', threads: { vcpu: ['to-read-only 1'], host: ['host write 0', 'pin 0..1 as buffer'] } },
  { world: '{ pages: 1 }', threads: { vcpu: ['host write 0', 'to-read-only 0', 'to-shared 0', 'pin 0 as buffer', 'to-read-only 0'], host: ['host read 0'] } },
  ...['fast', 'slow'].map((how) => ({ threads: { vcpu: ['to-private 0'], host: ['host write 0', `pin 0 as buffer short ${how}`, 'unpin buffer', `pin 0 as buffer short ${how}`] } })),
  { threads: { host: ['host write 0', 'punch 0'] } },
  // Where a page in use waits for its last put, whatever else may end that.
  { threads: { vcpu: ['pin 0 as buffer', 'to-private 0', 'guest write 0', 'to-shared 0', 'to-private 0', 'punch 0'] } },
  { threads: { vcpu: ['pin 0 as buffer', 'to-private 0', 'munmap 0', 'close'] } },
  { threads: { host: ['munmap 0', 'host write 0'] } },
  // A fault that is in flight maps the page again behind a punch that unmaps its range first.
  ...['punch 0', 'to-private 0'].flatMap((first) => ['read', 'write'].map((how) => ({ threads: { vcpu: [first], host: [`host ${how} 0`] } }))),
];

interface Reason {
  /** Default: all policies, but for these. */
  readonly policies?: readonly string[];
  readonly but?: string;
  readonly steps: RegExp;
  readonly because: string;
}

/** Steps that nothing here takes, and why. */
const NEVER_TAKEN: readonly Reason[] = [
  { steps: /^idle\.idle$/, because: 'a task at it has nothing to do' },
  { steps: /^ignored\.request\.ignored$/, because: 'only the measure `null` ignores requests' },
  { steps: /^unmap\.failed$/, because: 'a munmap fails at 65 530 VMAs only' },
  { but: 'disallow-gup', steps: /^io\.(fastOnly\.efault|to undo\.pins)$/, because: 'O_DIRECT always falls back to slow GUP' },
  {
    steps: /^close\.(iMmap\.read(Lock|Unlock)|(to )?rmap\..*|notifier\..*|(to )?zap\..*|ptl\..*|pte\..*|dirty.*|tlb\..*|gather\..*)$/,
    because: 'memory is given back when the last mapping has gone: nothing is mapped then',
  },
  { but: 'refuse-mmap', steps: /^mmapWindow\./, because: 'only the VMM of refuse-mmap maps its window again at an access' },
  {
    but: 'refuse-mmap',
    steps: /^convertRequest\.(request\.giveUp|vmm\.afterRefusal|request\.gaveUp)$/,
    because: 'what these refuse is tried again; a range beyond the end of the file no litmus can ask for',
  },
  {
    policies: ['disallow-gup'],
    steps: /^(pinLong|splice|secondaryMap)\.(to (irq\.on|taken|ptl\.lock|notifier\.snapshot)|ptl\..*|folio\.(grab|put|putRetry)|mmapLock\.readUnlock|more|fault.*|secondary\.install|taken|ready|done)$/,
    because: 'no reference is ever left with its user',
  },
  {
    policies: ['wait-for-pins', 'migrate-like'],
    steps: /^pinLong\.(to (irq\.on|taken|ptl\.lock)|ptl\..*|folio\.grab|mmapLock\.readUnlock|more|fault.*|taken|ready|done)$/,
    because: 'no long-term reference is ever left with its user',
  },
  {
    policies: ['split-4k-lazy'],
    steps: /^faultCore\.(pmd\.(rmapAdd|set)|to ptl\.unlock)$/,
    because: 'a region that the host may map whole has no large folio: it would have a shared page',
  },
  { policies: ['migrate-like'], steps: /^toPrivate\.(tlb\.wait|gather\.put)$/, because: 'entries that become migration entries are flushed under the page-table lock' },
  { policies: ['exclusive-pin', 'separate-shared-memory'], steps: /^faultCore\.invalidate\.readUnlockRefused$/, because: 'private pages may be mapped: no fault is refused' },
  { policies: ['exclusive-pin'], steps: /^splice\.(ebusy|to mmapLock\.readUnlockRefused)$/, because: 'no exclusive pin stops a FOLL_GET' },
  {
    policies: ['separate-shared-memory'],
    steps: /^convertRequest\.(retryable|backoff|retry|request\.timeOut|vmm\.afterTimeOut|request\.timedOut)$/,
    because: 'nothing is refused',
  },
  {
    policies: ['separate-shared-memory'],
    steps: /^afterRequest\.(dirty\.(send|wait|put)|rmap\.removeDelayed|to zap\.table|iMmap\.readUnlock)$/,
    because: 'a fault that maps the page again between the walk and the lock of its folio is further than these searches go; `punch` has the same steps',
  },
  { policies: ['disallow-gup'], steps: /^secondaryAccess\.done$/, because: 'no secondary MMU has an entry' },
];

interface Suspected {
  readonly found: readonly string[];
  readonly never: readonly string[];
}

/** Larger files are asked as far as this: what is promised is promised of every step by itself. */
const STATES_MAX = 1_600;
/** Where other work keeps the machine busy. */
const TIMEOUT_MS = 120_000;

function suspectAll(policy: ConversionPolicy): Suspected {
  const found: string[] = [];
  const known = new Set<string>();
  const taken = new Set<string>();
  const files = libraryFiles().filter(({ threads, policies, checks }) => threads.length > 1 && (policies?.includes(policy.name) ?? true) && (checks?.includes('refcount') ?? true));
  for (const litmus of [...files, ...more.map(smallLitmus)]) {
    const machine = new Machine({ litmus, policy, check: 'refcount', reductions: NO_REDUCTIONS, keepResults: false });
    const { result: { broken } } = search({ machine, reductions: NO_REDUCTIONS, statesMax: STATES_MAX, suspicious: true });
    // Whether a policy is safe is for the library's own expectations.
    if (broken !== undefined && broken.rule !== noExposure.name) found.push(`${litmus.name}: ${broken.rule} ${broken.what}`);
    const { names, routineNames } = machine.host.program;
    for (const [at, name] of names.entries()) {
      known.add(`${routineNames[at]}.${name}`);
      if (machine.taken[at] === 1) taken.add(`${routineNames[at]}.${name}`);
    }
  }
  return { found, never: [...known].filter((name) => !taken.has(name)) };
}

describe('a step', () => {
  const given = new Set<Reason>();
  const reasonsFor = (policy: string, name: string): readonly Reason[] => NEVER_TAKEN.filter(({ policies, but, steps }) => (policies?.includes(policy) ?? true) && but !== policy && steps.test(name));

  test.each(shippedPolicies.map((policy) => ({ name: policy.name, policy })))('of $name changes nothing where it waits, does the same to the same state, and fits its columns', ({ policy }) => {
    const suspected = suspectAll(policy);
    expect(suspected.found).toEqual([]);
    expect(suspected.never.filter((name) => reasonsFor(policy.name, name).length !== 1)).toEqual([]);
    for (const name of suspected.never) for (const reason of reasonsFor(policy.name, name)) given.add(reason);
  }, TIMEOUT_MS);

  test('is taken by some file, but for those with a reason', () => {
    expect(NEVER_TAKEN.filter((reason) => !given.has(reason))).toEqual([]);
  });
});

/* ---- bursts ---- */

const PAGES = 2048;

interface Run {
  readonly bytes: string;
  /** Operations that were charged, by name. */
  readonly counts: Readonly<Partial<Record<OperationName, number>>>;
}

/** Runs a script, one access after the other, in bursts of `chunk` pages. */
function runInChunks(script: readonly ScriptedAccess[], chunk: number, shape: Partial<Shape>): Run {
  const machine = new ScriptMachine({
    policy: policyNamed('sigbus-on-fault'),
    threads: [{ accesses: script }],
    shape: { pages: PAGES, regionOrder: 9, slotPages: PAGES, spareFolios: PAGES, chunk, ...shape },
  });
  const total = new Float64Array(OPERATIONS.length);
  for (const access of script) {
    machine.runAlone(0, access);
    for (const [operation, count] of machine.world.meter.count.entries()) total[operation] += count;
  }
  const charged = OPERATIONS.map(({ name }, operation) => [name, total[operation]] as const).filter(([, count]) => count > 0);
  expect(brokenInvariant(machine.world, machine.host.program)).toBeUndefined();
  return { bytes: machine.save(), counts: Object.fromEntries(charged) };
}

/** GUP-fast switches interrupts off and on again for each chunk: all that a chunk's length may change. A PMD it reads, and grabs, once in each. */
const perChunk: ReadonlySet<string> = new Set(['irq.toggle']);
const perChunkOfPmd: ReadonlySet<string> = new Set([...perChunk, 'gup.fast', 'gup.grab']);

function perPage({ counts }: Run, except = perChunk): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(counts).filter(([name]) => !except.has(name)));
}

const touchHost = (write: boolean, count: number): readonly ScriptedAccess[] => Array.from({ length: count }, (_, page) => (write ? a.hostWrite(page) : a.hostRead(page)));
const touchGuest = (count: number): readonly ScriptedAccess[] => Array.from({ length: count }, (_, page) => a.guestWrite(page));

describe('a chunk of a burst equals its single steps', () => {
  const scripts: Readonly<Record<string, (count: number) => readonly ScriptedAccess[]>> = {
    'to-private of clean entries': (count) => [...touchHost(false, count), a.toPrivate(0, count)],
    'to-private of dirty entries': (count) => [...touchHost(true, count), a.toPrivate(0, count)],
    'to-private of stage-2 leaves, and back': (count) => [...touchGuest(count), a.toPrivate(0, count), ...touchGuest(count), a.toShared(0, count)],
    'to-private of pages that nobody touched': (count) => [a.toPrivate(0, count)],
    'to-private that a pin refuses': (count) => [...touchHost(true, count), a.pinLong(0, count - 1), a.toPrivate(0, count)],
    'munmap of clean entries': (count) => [...touchHost(false, count), a.unmap(0, count)],
    'munmap of dirty entries': (count) => [...touchHost(true, count), a.unmap(0, count)],
    'GUP-fast, and its release': (count) => [...touchHost(true, count), a.pinShort(0, 0, count), a.unpin(0)],
    'slow GUP': (count) => [a.pinLong(0, 0, count)],
    'a pin that meets a private page': (count) => [...touchHost(true, count), a.toPrivate(count - 1), a.pinShort(0, 0, count)],
    'vmsplice of what is not mapped': (count) => [a.splice(0, 0, count)],
    'punch': (count) => [...touchHost(true, count), ...touchGuest(count), a.punch(0, count)],
    'punch under a pin': (count) => [...touchHost(false, count), a.pinShort(0, 0, count), a.punch(0, count), a.unpin(0)],
  };
  const worlds: readonly (readonly [string, Partial<Shape>])[] = [
    ['order 0', {}],
    ['order 9', { folioOrder: 9, largeBacking: true, spareFolios: 4 }],
    ['order 9, with PMDs', { folioOrder: 9, largeBacking: true, spareFolios: 4, pmdMappings: true }],
  ];

  describe.each(worlds)('at %s', (_, shape) => {
    test.each(Object.keys(scripts))('%s', (name) => {
      for (const count of [1, 3, 513]) {
        const script = scripts[name](count);
        const chunked = runInChunks(script, 512, shape);
        const single = runInChunks(script, 1, shape);
        expect(single.bytes === chunked.bytes, `${count} pages: the same bytes`).toBe(true);
        const except = shape.pmdMappings ? perChunkOfPmd : perChunk;
        expect(perPage(single, except), `${count} pages`).toEqual(perPage(chunked, except));
      }
    });
  });

  test('and the charges are those of all pages: 513 dirty entries lie in two page tables', () => {
    const { counts } = runInChunks([...touchHost(true, 513), a.toPrivate(0, 513)], 512, {});
    expect(counts).toMatchObject({ 'pte.set': 513, 'pte.zap': 513, 'pte.check': 513, 'tlb.flush': 2, 'folio.readRef': 513, 'rmap.walk': 1, 'vma.visit': 1, 'state.store': 1 });
  });
});

describe('mappings', () => {
  test('after any sequence of mmap, munmap and fork cover what a set of pages would hold', () => {
    const pages = [0, 1, 2, 3];
    const range = fc.record({ page: fc.nat(3), count: fc.integer({ min: 1, max: 4 }) }).map(({ page, count }) => ({ page, count: Math.min(count, 4 - page) }));
    const calls = fc.array(fc.record({ range, call: fc.constantFrom('map', 'unmap', 'fork') }), { maxLength: 8 });
    const policy = policyNamed('sigbus-on-fault');
    fc.assert(
      fc.property(calls, (sequence) => {
        const machine = new ScriptMachine({ policy, threads: [{ role: 'vmm', accesses: [a.fork(0)] }], shape: { pages: pages.length } });
        const { world, host } = machine;
        const covered = new Set(pages);
        for (const { range: { page, count }, call } of sequence) {
          const access = call === 'fork' ? a.fork(page) : call === 'map' ? a.map(page, count) : a.unmap(page, count);
          expect(machine.runAlone(0, access)).toBe('OK');
          // The child of a fork touches the page through its copies of the mappings, where there are any.
          const signals = call === 'fork' && covered.size > 0 && !covered.has(page) ? 1 : 0;
          expect(world.meter.count[Op['signal.SIGSEGV']]).toBe(signals);
          for (let at = page; at < page + count; at++) {
            if (call === 'map') covered.add(at);
            if (call === 'unmap') covered.delete(at);
          }
          expect(pages.filter((at) => inMm(world, 0, at))).toEqual([...covered].sort());
          expect(pages.filter((at) => inIMmap(world, 0, at))).toEqual([...covered].sort());
          expect(pages.filter((at) => inMm(world, 1, at) || inIMmap(world, 1, at))).toEqual([]);
          expect(brokenInvariant(world, host.program)).toBeUndefined();
        }
      }),
      { numRuns: 300, seed: 1 },
    );
  });
});

describe('a guest whose donation is refused', () => {
  test('goes on with its own page, not with the head of the folio', () => {
    const litmus = smallLitmus({ world: '{ pages: 2, order: 1, lazy: true }', before: ['host: host read 0'], threads: { vcpu: ['guest write 1'], host: ['pin 0 as buffer get'] } });
    const { machine, found: { states } } = searchCell({ litmus, policy: sigbusOnFault, check: 'refcount' });
    const degraded = new Set<string>();
    for (let row = 0; row < states.rows.count; row++) {
      states.load(row);
      if (machine.done) degraded.add([...machine.world.pageState.entries()].filter(([, state]) => state & PageBit.Degraded).map(([page]) => page).join(' '));
    }
    expect([...degraded].sort()).toEqual(['', '1']);
  });
});
