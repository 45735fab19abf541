import { describe, expect, test } from 'vitest';
import { OPERATIONS } from '../model/operations.ts';
import { explorablePolicies } from './litmusFiles.ts';
import { loadCostProfile, DEFAULT_COSTS } from '../simulate/costs.ts';
import { policies } from '../policies/index.ts';
import { explainPolicy, type ExplainOptions, type Explanation } from './explanation.ts';

const costs = loadCostProfile(DEFAULT_COSTS);

function explain(name: string, options: Partial<ExplainOptions> = {}): Promise<Explanation> {
  const policy = explorablePolicies.find((one) => one.name === name);
  if (policy === undefined) throw new Error(`no policy ${name}`);
  return explainPolicy({ policy, costs, folio: '4K', vmas: 1, safety: () => 'not checked', verdicts: undefined, ...options });
}

const partOf = ({ parts }: Explanation, name: string) => parts.find((part) => part.name === name) ?? parts[0];
const priceOf = (counts: Readonly<Record<string, number>>) =>
  OPERATIONS.reduce((sum, { name }, index) => sum + (counts[name] ?? 0) * costs.priceNs[index], 0);
const answersOf = ({ answers }: Explanation) => Object.fromEntries(answers.map(({ situation, answer }) => [situation, answer]));

describe('the steps of an explanation', () => {
  test('take the page from both sides before it is stored as private', async () => {
    const { before, steps, result } = partOf(await explain('sigbus-on-fault'), 'to-private');
    expect([result, before]).toEqual(['done', { hostEntries: 1, staleEntries: 0, guest: true, state: 'shared', refcount: 2 }]);
    const viewAfter = (name: string) => steps.find((step) => step.name === name)?.view;
    expect(viewAfter('pte.clear')).toEqual({ hostEntries: 0, staleEntries: 1, guest: true, state: 'shared', refcount: 2 });
    expect(viewAfter('dirty.put')).toEqual({ hostEntries: 0, staleEntries: 0, guest: true, state: 'shared', refcount: 1 });
    expect(viewAfter('spte.clear')).toEqual({ hostEntries: 0, staleEntries: 0, guest: false, state: 'shared', refcount: 1 });
    expect(viewAfter('state.store')).toEqual({ hostEntries: 0, staleEntries: 0, guest: false, state: 'private', refcount: 1 });
  });

  test('say which locks are held, in which mode, and where one may wait or branch', async () => {
    const { steps } = partOf(await explain('sigbus-on-fault'), 'to-private');
    const clear = steps.find(({ name }) => name === 'pte.clear');
    expect(clear?.locks).toEqual([{ lock: 'Invalidate', mode: 'write' }, { lock: 'IMmap', mode: 'read' }, { lock: 'PageTable', mode: 'write' }]);
    expect(steps.find(({ name }) => name === 'invalidate.writeLock')).toMatchObject({ waits: true, otherwise: null, operations: { 'lock.invalidate': 1 } });
    expect(steps.find(({ name }) => name === 'folio.readRef')).toMatchObject({ waits: false, otherwise: 'lru.drain', operations: { 'folio.readRef': 1 } });
    expect(steps.find(({ name }) => name === 'kernel.toPrivate')?.calls).toBe('toPrivate');
  });

  test('leave out none that the routines have: what is not taken is named', async () => {
    const { notTaken } = partOf(await explain('sigbus-on-fault'), 'to-private');
    expect(notTaken.find(({ routine }) => routine === 'toPrivate')?.steps).toEqual(['tlb.wait', 'gather.put', 'lru.drain (or refuse)', 'lru.wait', 'refuse', 'folio.putRefused']);
  });

  test.each([['1', 1], ['3', 3], ['16', 16]])('visit and zap once in each of %s mappings', async (_, vmas) => {
    const { steps } = partOf(await explain('sigbus-on-fault', { vmas }), 'to-private');
    const times = (operation: 'vma.visit' | 'pte.zap' | 'tlb.flush') => steps.reduce((sum, { operations }) => sum + (operations[operation] ?? 0), 0);
    expect([times('vma.visit'), times('pte.zap'), times('tlb.flush')]).toEqual([vmas, vmas, vmas]);
  });

  test.each(policies.map(({ name }) => [name]))('of %s cost what they charge, and the time that others take to answer', async (name) => {
    for (const folio of ['4K', '2M'] as const) {
      for (const { steps, ns, phasesNs, othersNs } of (await explain(name, { folio, vmas: 2 })).parts) {
        for (const step of steps) {
          // The slowest of those that were interrupted is waited for, and all of them are idle.
          const slowestNs = step.othersNs / Math.max(1, ...Object.values(step.others));
          expect([step.name, step.ns]).toEqual([step.name, priceOf(step.operations) + slowestNs]);
        }
        expect(steps.reduce((sum, step) => sum + step.ns, 0)).toBe(ns);
        expect(Object.values(phasesNs).reduce((sum, phaseNs) => sum + phaseNs, 0)).toBe(ns);
        expect(othersNs).toBe(steps.reduce((sum, step) => sum + priceOf(step.others), 0));
      }
    }
  });

  test('of a VMM with a dance cost it the phase vmm', async () => {
    const { phasesNs, steps } = partOf(await explain('folio-mmapped'), 'to-private');
    const munmap = steps.filter(({ routine }) => routine === 'munmapRange');
    expect(munmap.length).toBeGreaterThan(10);
    // The wait for the others' answers is the phase tlb, whoever waits.
    expect(phasesNs.vmm).toBe(munmap.reduce((sum, { operations }) => sum + priceOf(operations), 0));
  });

  test('are the same for every policy that is explained twice', async () => {
    expect(await explain('folio-mmapped', { folio: '2M' })).toEqual(await explain('folio-mmapped', { folio: '2M' }));
  });
});

describe('the answers of an explanation', () => {
  const PIN = 'to-private while a long-term pin is held (an io_uring fixed buffer)';
  const SHORT = 'to-private while a short pin (O_DIRECT) is held for another 2 ms';
  const NEIGHBOUR = 'to-private while the page next to it is pinned';
  const COVERED = 'to-private while a VMA covers the page, by a VMM that leaves its own routine out';
  const MMAP = 'mmap of a private page';
  const STORE = 'a store of the VMM to a private page that it tried to map';

  test.each([
    ['sigbus-on-fault', { [PIN]: 'EAGAIN', [COVERED]: 'OK', [MMAP]: 'OK', [STORE]: 'SIGBUS' }],
    ['folio-mmapped', { [PIN]: 'EAGAIN', [COVERED]: 'EPERM', [MMAP]: 'EPERM', [STORE]: 'SIGSEGV' }],
    ['refuse-mmap', { [PIN]: 'EAGAIN', [COVERED]: 'EBUSY', [MMAP]: 'EBUSY', [STORE]: 'EBUSY' }],
    ['wait-for-pins', { [SHORT]: 'OK', [PIN]: 'OK', [STORE]: 'SIGBUS' }],
    ['disallow-gup', { [PIN]: 'OK', [COVERED]: 'OK', [MMAP]: 'OK', [STORE]: 'SIGBUS' }],
    ['separate-shared-memory', { [SHORT]: 'OK', [PIN]: 'OK', [COVERED]: 'OK', [MMAP]: 'OK', [STORE]: 'OK' }],
  ])('of %s', async (name, answers) => {
    expect(answersOf(await explain(name))).toMatchObject(answers);
  });

  test('tell that a holder goes on with a punched page, and whose page the host reaches, where private pages have a memory of their own', async () => {
    const told = Object.fromEntries((await explain('separate-shared-memory')).answers.map(({ situation, consequence }) => [situation, consequence]));
    expect([told[PIN], told[NEIGHBOUR], told[STORE]]).toEqual([
      'granted at once; the page is private; the holder goes on with a page that was punched, and its data is lost',
      'granted at once; the page is private',
      'it reaches a page of the shared memory, which is not the guest\'s',
    ]);
  });

  test('tell what the VMM makes of a refusal', async () => {
    const [short, pinned] = (await explain('sigbus-on-fault')).answers;
    expect([short.answer, short.consequence]).toEqual(['EAGAIN', 'granted after 9 attempts; the page is private']);
    expect(pinned.consequence).toBe('the VMM asks again with back-off and gives up after 106 attempts in 100 ms; the page is still shared');
  });

  test('differ by the check: what mapcount lets through is exposed and reached', async () => {
    const [, pinned, unmapped] = (await explain('sigbus-on-fault', { check: 'mapcount' })).answers;
    for (const { answer, consequence, exposed } of [pinned, unmapped]) {
      expect([answer, consequence, exposed]).toEqual(['OK', 'granted at once; the page is private; the holder then reached private data', true]);
    }
  });

  test('differ by the folio: a pin on a neighbour refuses where the folio is large, but not with split-4k', async () => {
    expect(answersOf(await explain('sigbus-on-fault'))[NEIGHBOUR]).toBe('OK');
    expect(answersOf(await explain('sigbus-on-fault', { folio: '2M' }))[NEIGHBOUR]).toBe('EAGAIN');
    expect(answersOf(await explain('split-4k', { folio: '2M' }))[NEIGHBOUR]).toBe('OK');
  });

  test('are none where every request is ignored', async () => {
    expect((await explain('null')).answers).toEqual([]);
  });
});

describe('the rest of an explanation', () => {
  test.each(policies.map((policy) => [policy.name, policy] as const))('%s has its argument as data', (_, { argument, reference }) => {
    expect(argument?.idea).toMatch(/^[a-z0-9].*[^.]$/);
    expect(argument?.price).toMatch(/^[a-z0-9].*[^.]$/);
    const voices = [...(argument?.for ?? []), ...(argument?.against ?? [])];
    expect([argument?.sources.length !== 0, voices.length !== 0]).toEqual([reference === undefined, reference === undefined]);
    for (const { who, says } of voices) expect([who, says]).toEqual([expect.stringMatching(/^[A-Z]/), expect.stringMatching(/[^.]$/)]);
  });

  test('a verdict stands for each check, one where there is none', async () => {
    const safety = (policy: string, check: string | null) => `${policy} under ${check}`;
    expect((await explain('disallow-gup', { safety })).verdicts.map(({ safe }) => safe)).toEqual([
      'disallow-gup under mapcount', 'disallow-gup under mapped-or-pinned', 'disallow-gup under refcount',
    ]);
    expect((await explain('lower-bound', { safety })).verdicts).toEqual([{ check: null, safe: 'lower-bound under null', litmusFiles: 0 }]);
  });

  test('both sides of the contract are told beside the steps', async () => {
    expect((await explain('refuse-mmap')).contract).toEqual([
      'kernel: the file\'s mmap hook looks at privacy',
      'kernel: GUP of shared pages is allowed',
      'VMM: maps nothing while all of the file is private',
      'VMM: has a routine of its own before each to-private',
      'VMM: maps its window again where an access finds it unmapped',
      'VMM: after EAGAIN it asks again, with back-off',
    ]);
    expect((await explain('exclusive-pin')).contract).toEqual([
      'kernel: mmap is never refused for privacy',
      'kernel: private pages may be faulted in, and stay mapped',
      'platform: a mapping of a private page is harmless, an access through it is stopped',
      'kernel: GUP of shared pages is allowed',
      'VMM: after EAGAIN and EBUSY it asks again, with back-off',
    ]);
    expect((await explain('separate-shared-memory')).contract).toEqual([
      'kernel: mmap is never refused for privacy',
      'kernel: private pages have a memory of their own that nobody maps; what the host maps, faults in or pins is shared memory, whatever the guest uses',
      'kernel: GUP of shared pages is allowed',
      'VMM: has a routine of its own after each request',
      'VMM: after EAGAIN it asks again, with back-off',
    ]);
    expect((await explain('disallow-gup')).contract.slice(-1)).toEqual(['VMM: after EAGAIN it asks again, with back-off; its short I/O goes through bounce buffers from the start']);
    expect((await explain('split-4k')).contract.slice(0, 2)).toEqual([
      'kernel: core-mm sees folios of 4 KiB, whatever the memory behind them',
      'kernel: the file\'s owner holds 1 reference more on each folio',
    ]);
  });
});

describe('an explanation for a platform', () => {
  test.each([
    ['pkvm', { 'hyp.call': 1, 'hyp.unmapHost': 1 }],
    ['snp', { 'rmp.update': 1, 'rmp.validate': 1 }],
    ['tdx', { 'sept.aug': 1, 'sept.accept': 1 }],
  ] as const)('%s has what a conversion pays there, and its rule for contents', async (platform, paid) => {
    const [usual, there] = await Promise.all([explain('sigbus-on-fault'), explain('sigbus-on-fault', { platform })]);
    const added = partOf(there, 'to-private').steps.flatMap(({ operations }) => Object.entries(operations)).filter(([operation]) => operation in paid);
    expect(Object.fromEntries(added)).toEqual(paid);
    expect(partOf(there, 'to-private').ns).toBe(partOf(usual, 'to-private').ns + priceOf(paid));
    expect(there.platform).toBe(platform);
    expect(there.contract.filter((line) => line.startsWith(`platform ${platform}`))).toHaveLength(2);
    expect('platform' in usual).toBe(false);
  });
});

describe('an explanation of a strategy of the VMM', () => {
  const IN_USE = 'to-private of a page in use';

  test.each([
    ['back-off', 'done', ['backoff', 'retry']],
    ['retry-at-once', 'done', ['retry']],
    ['release-pins-first', 'done', ['buffers.unregister']],
    ['give-up', 'failed', []],
  ] as const)('%s takes its steps where a buffer holds the page, and the request is %s', async (vmm, result, own) => {
    const part = partOf(await explain('sigbus-on-fault', { vmm }), IN_USE);
    expect([part.name, part.result]).toEqual([IN_USE, result]);
    const names = new Set(part.steps.map(({ name }) => name));
    expect(own.filter((name) => !names.has(name))).toEqual([]);
    expect(part.steps.filter(({ name }) => name === 'ioctl.enter').length > 1).toBe(result === 'done');
  });

  test('has no such part where none was asked for, nor where requests are ignored', async () => {
    expect((await explain('sigbus-on-fault')).parts.map(({ name }) => name)).toEqual(['to-private', 'to-shared', 'mmap']);
    expect((await explain('null', { vmm: 'give-up' })).parts.map(({ name }) => name)).not.toContain(IN_USE);
  });
});
