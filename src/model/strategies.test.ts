/** What a VMM does with a refusal: the counts of each strategy on pinned pages. */
import { describe, expect, test } from 'vitest';
import { flatCosts } from '../../test/tools/flatCosts.ts';
import { counts, policyNamed, runScript } from '../../test/tools/runScript.ts';
import type { ScriptOptions } from '../../test/tools/runScript.ts';
import { a } from '../../test/tools/scripted.ts';
import type { ScriptedAccess } from '../../test/tools/scripted.ts';
import { checkPolicies } from '../policies/checkPolicy.ts';
import { Errno } from './errno.ts';
import { buildHost } from './host.ts';
import { OPERATIONS, PHASES } from './operations.ts';
import { VMM_STRATEGIES } from './request.ts';
import type { VmmStrategy } from './request.ts';

const LIMIT_NS = 100_000_000;
/** What an attempt on one page does that is refused for a pin, where an earlier one has left nothing to zap, to flush or to drain. */
const ATTEMPT = {
  syscall: 1, 'lock.invalidate': 1, 'lock.iMmap': 1, 'lock.pageTable': 1, 'pageCache.lookup': 1, 'folio.readRef': 2, 'folio.put': 1, 'vma.lookup': 1, 'rmap.walk': 1,
  'vma.visit': 1, 'pte.check': 1, notifier: 1, 'state.read': 1, 'state.prealloc': 1,
};

async function toPrivateOf(accesses: readonly ScriptedAccess[], options: ScriptOptions) {
  const outcome = await runScript(accesses, options);
  const { requested, succeeded, timedOut, gaveUp, retries, refused, phasesNs } = outcome.tally.conversions.toPrivate;
  return { requested, succeeded, timedOut, gaveUp, retries, refused: refused[Errno.EAGAIN], phasesNs, tally: outcome.tally, charged: counts(outcome) };
}

/** The guest wants a page back of which two are registered as a buffer, for good. */
const pinned = [a.toShared(0, 4), a.pinLong(0, 0, 2), a.toPrivate(0)];

describe('on a page that is pinned for good', () => {
  test('back-off rests 10 us, doubled up to 1 ms, and gives up after 100 ms: 105 retries', async () => {
    expect(await toPrivateOf(pinned, { vmm: 'back-off', costs: flatCosts(0) })).toMatchObject({ requested: 1, succeeded: 0, timedOut: 1, gaveUp: 0, retries: 105, refused: 106 });
  });

  test('retry-at-once never rests: as many attempts as fit into 100 ms', async () => {
    const costs = flatCosts(1000);
    const one = await toPrivateOf(pinned, { vmm: 'give-up', costs });
    const all = await toPrivateOf(pinned, { vmm: 'retry-at-once', costs });
    const each = OPERATIONS.filter(({ name, kind }) => kind === 'work' && all.charged[name] !== one.charged[name]).map(
      ({ name }) => [name, ((all.charged[name] ?? 0) - (one.charged[name] ?? 0)) / all.retries] as const,
    );
    expect(Object.fromEntries(each)).toEqual(ATTEMPT);
    const attemptNs = 1000 * each.reduce((sum, [, count]) => sum + count, 0);
    const firstNs = one.tally.latencyNs.abandoned.totalNs;
    const retries = Math.ceil((LIMIT_NS - firstNs) / attemptNs);
    expect(all).toMatchObject({ requested: 1, succeeded: 0, timedOut: 1, gaveUp: 0, retries, refused: retries + 1 });
    expect(all.phasesNs[PHASES.indexOf('backoff')]).toBe(0);
  });

  test('retry-at-once ends where an attempt takes no time at all: the limit would never come', async () => {
    expect(await toPrivateOf(pinned, { vmm: 'retry-at-once', costs: flatCosts(0) })).toMatchObject({ timedOut: 1, retries: 0, refused: 1 });
  });

  test('give-up takes the first answer: one attempt, no retry, and the page is given up', async () => {
    const { tally, charged, ...outcome } = await toPrivateOf([...pinned, a.guestWrite(0)], { vmm: 'give-up' });
    expect(outcome).toMatchObject({ requested: 1, succeeded: 0, timedOut: 0, gaveUp: 1, retries: 0, refused: 1 });
    expect(charged['access.degraded']).toBe(1);
    expect(tally.latencyNs.abandoned.count).toBe(1);
  });

  test('release-pins-first unregisters the buffer and succeeds in the second attempt, without a rest', async () => {
    const { charged, phasesNs, ...outcome } = await toPrivateOf(pinned, { vmm: 'release-pins-first' });
    expect(outcome).toMatchObject({ requested: 1, succeeded: 1, timedOut: 0, gaveUp: 0, retries: 1, refused: 1 });
    // Its two pages are unpinned, in a system call beside those of two registered requests and of the registration.
    expect(charged['gup.release']).toBe(2);
    expect(charged['syscall']).toBe(1 + 1 + 2 + 1);
    expect(phasesNs[PHASES.indexOf('backoff')]).toBe(0);
    expect(phasesNs[PHASES.indexOf('vmm')]).toBe(1 + 2);
  });

  test('bounce-copy pins nothing for short I/O, but a registered buffer stays one: it backs off', async () => {
    expect(await toPrivateOf(pinned, { vmm: 'bounce-copy', costs: flatCosts(0) })).toMatchObject({ timedOut: 1, retries: 105 });
  });
});

describe('release-pins-first', () => {
  test('releases every buffer with a page in the range, in one go, and no other', async () => {
    const buffers = [a.toShared(0, 8), a.pinLong(0, 0, 2), a.pinLong(1, 1, 2), a.pinLong(2, 6, 2)];
    const { charged, ...outcome } = await toPrivateOf([...buffers, a.toPrivate(0, 4), a.toPrivate(4, 2)], { vmm: 'release-pins-first' });
    expect(outcome).toMatchObject({ requested: 2, succeeded: 2, retries: 1 });
    expect(charged['gup.release']).toBe(4);
  });

  test('with a large folio releases what pins any page of it', async () => {
    const accesses = [a.toShared(0, 512), a.pinLong(0, 77), a.toPrivate(3)];
    expect(await toPrivateOf(accesses, { vmm: 'release-pins-first', folioOrder: 9, pages: 512 })).toMatchObject({ succeeded: 1, retries: 1 });
  });

  test.each([
    ['an I/O in flight', [a.toShared(0), a.io(0, 1, 25_000), a.toPrivate(0)], 1],
    ['a short pin of a thread', [a.toShared(0), a.pinShort(0, 0), a.toPrivate(0)], 0],
    ['what went into a pipe', [a.toShared(0), a.splice(0, 0), a.toPrivate(0)], 0],
  ] as const)('cannot call back %s, and backs off', async (_, accesses, succeeded) => {
    const patient = await toPrivateOf(accesses, { vmm: 'back-off', costs: flatCosts(0) });
    const { charged, ...outcome } = await toPrivateOf(accesses, { vmm: 'release-pins-first', costs: flatCosts(0) });
    expect(outcome).toMatchObject({ succeeded, timedOut: 1 - succeeded, retries: patient.retries });
    expect(charged['gup.release'] ?? 0).toBe(succeeded);
  });

  test('leaves an empty buffer behind: its device reaches nothing, its end drops nothing, and it can be registered again', async () => {
    const accesses = [...pinned, a.device(0), a.unpin(0), a.pinLong(0, 2), a.device(0)];
    const { charged } = await toPrivateOf(accesses, { vmm: 'release-pins-first' });
    expect(charged['gup.release']).toBe(2);
    expect(charged['device.access']).toBe(1);
    expect(charged['access.rogue']).toBeUndefined();
  });
});

describe('bounce-copy', () => {
  const storm = [a.toShared(0, 4), a.io(0, 2, 25_000), a.toPrivate(0, 2)];

  test('copies the pages of an I/O, and a conversion meets no pin', async () => {
    expect(await toPrivateOf(storm, { vmm: 'back-off' })).toMatchObject({ succeeded: 1, retries: 2, charged: { 'gup.grab': 2 } });
    const { charged, ...outcome } = await toPrivateOf(storm, { vmm: 'bounce-copy' });
    expect(outcome).toMatchObject({ succeeded: 1, retries: 0 });
    expect(charged).toMatchObject({ 'page.copy': 2 });
    expect(charged['gup.grab']).toBeUndefined();
  });

  test('is what disallow-gup asks of its VMM, whatever else that does', async () => {
    expect(policyNamed('disallow-gup').vmmStrategy).toBe('bounce-copy');
    for (const vmm of VMM_STRATEGIES) expect((await toPrivateOf(storm, { vmm, policy: 'disallow-gup' })).charged['page.copy']).toBe(2);
  });
});

describe('a strategy', () => {
  const stepsOf = (strategy?: VmmStrategy) => {
    const rules = policyNamed('folio-mmapped').rules({ check: 'refcount' });
    const { names, routineNames, otherwise, marks } = buildHost(strategy === undefined ? rules : { ...rules, vmm: { ...rules.vmm, strategy } }, { lazy: true }).program;
    const request = names.filter((_, at) => routineNames[at] === 'convertRequest');
    return { all: { names, routineNames, otherwise, marks }, again: request.slice(request.indexOf('request.end') + 1, request.indexOf('request.timeOut')) };
  };

  test('is a list of steps behind the refusal', () => {
    expect(VMM_STRATEGIES.map((strategy) => [strategy, stepsOf(strategy).again.join(', ')])).toEqual([
      ['retry-at-once', 'retryable, backoff, retry'],
      ['back-off', 'retryable, backoff, retry'],
      ['release-pins-first', 'retryable, vmm.releasePins, vmm.released, to attempt, backoff, retry'],
      ['bounce-copy', 'retryable, backoff, retry'],
      ['give-up', 'retryable'],
    ]);
  });

  test('where none is named is to back off: the same program', () => expect(stepsOf().all).toEqual(stepsOf('back-off').all));

  test('is the policy\'s own where the run names none', async () => {
    const impatient = { ...policyNamed('sigbus-on-fault'), vmmStrategy: 'give-up' } as const;
    expect(await toPrivateOf(pinned, { policy: impatient })).toMatchObject({ gaveUp: 1, timedOut: 0 });
    expect(await toPrivateOf(pinned, { policy: impatient, vmm: 'back-off' })).toMatchObject({ gaveUp: 0, timedOut: 1 });
  });

  test('of a policy of one\'s own is one of them', () => {
    const { rules, checks } = policyNamed('sigbus-on-fault');
    const own = { name: 'my-policy', summary: 'mine', family: 'conversion', checks, rules };
    const complaint = (changed: object) => {
      try {
        return checkPolicies({ default: { ...own, ...changed } }, 'my.mjs').length;
      } catch (error) {
        return (error as Error).message.split('\n')[0];
      }
    };
    expect(complaint({ vmmStrategy: 'give-up' })).toBe(1);
    expect(complaint({ vmmStrategy: 'giveUp' })).toBe('my.mjs: my-policy has a wrong vmmStrategy');
    expect(complaint({ rules: (options: { readonly check: 'refcount' }) => ({ ...rules(options), vmm: { strategy: 'wait' } }) })).toBe('my.mjs: my-policy: vmm.strategy is "wait"');
  });

  test.each(VMM_STRATEGIES)('%s does nothing where nothing is refused', async (vmm) => {
    const calm = [a.toShared(0, 4), a.hostWrite(1), a.toPrivate(0, 4), a.guestWrite(1)];
    expect((await runScript(calm, { vmm })).tally).toEqual((await runScript(calm)).tally);
  });

  test.each(VMM_STRATEGIES)('%s does not retry what no attempt will change', async (vmm) => {
    expect(await toPrivateOf([a.toPrivate(15, 2)], { vmm, pages: 16 })).toMatchObject({ gaveUp: 1, retries: 0 });
  });
});
