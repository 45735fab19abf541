import { describe, expect, test } from 'vitest';
import { runScript } from '../../test/tools/runScript.ts';
import { checkLitmus } from '../explore/checkLitmus.ts';
import { readLitmusFiles } from '../harness/litmusFiles.ts';
import { packageFolder } from '../harness/packageFolder.ts';
import { buildHost } from '../model/host.ts';
import { ERRNOS } from '../model/errno.ts';
import { a } from '../workloads/scripted.ts';
import { folioMmapped } from './conversion/folio-mmapped.ts';
import { refuseMmap } from './conversion/refuse-mmap.ts';
import { sigbusOnFault } from './conversion/sigbus-on-fault.ts';
import { valueOf, withChoices } from './choices.ts';
import { policies } from './index.ts';
import type { ConversionPolicy, PolicyOptions } from './policy.ts';

const stepsOf = (policy: ConversionPolicy, options: PolicyOptions) => {
  const { names, routineNames } = buildHost(policy.rules(options), { lazy: true }).program;
  return names.map((name, at) => `${routineNames[at]}.${name}`);
};

const open = policies.flatMap((policy) => (policy.choices ?? []).map((choice) => ({ policy, choice, label: `${policy.name}.${choice.name}` })));

describe('a choice', () => {
  test.each(open)('$label: its default is one of its values, and what happens when nothing is chosen', ({ policy, choice }) => {
    expect(choice.values).toContain(choice.default);
    expect(new Set(choice.values).size).toBeGreaterThan(1);
    expect(stepsOf(withChoices(policy, { [choice.name]: choice.default }), { check: 'refcount' })).toEqual(stepsOf(policy, { check: 'refcount' }));
  });

  test.each(open)('$label: every value makes a program', ({ policy, choice }) => {
    for (const value of choice.values) expect(stepsOf(withChoices(policy, { [choice.name]: value }), { check: 'refcount' }).length).toBeGreaterThan(100);
  });

  test('of another value is a defect: a user\'s word was looked up before', () => {
    const choice = { name: 'c', values: ['x', 'y'], default: 'x', what: '' };
    expect([valueOf(choice, { check: 'refcount' }), valueOf(choice, { check: 'refcount', choices: { c: 'y' } })]).toEqual(['x', 'y']);
    expect(() => valueOf(choice, { check: 'refcount', choices: { c: 'z' } })).toThrow('choice c has no value "z"; it has x, y');
  });

  test('that is none leaves the policy as it is', () => {
    expect([withChoices(folioMmapped, undefined), withChoices(folioMmapped, {})]).toEqual([folioMmapped, folioMmapped]);
  });
});

/** Errnos of conversions and of mmaps that came. */
async function errnosOf(policy: ConversionPolicy, script: Parameters<typeof runScript>[0]) {
  const { tally } = await runScript(script, { policy, pages: 512 });
  const names = (counts: Float64Array) => ERRNOS.filter((_, errno) => counts[errno] > 0);
  return { convert: names(tally.errors.convert), mmap: names(tally.errors.mmap), ...tally.conversions.toPrivate };
}

describe('folio-mmapped', () => {
  const mapsPrivate = [a.unmap(5), a.map(5)];
  test.each(['EPERM', 'EBUSY'])('answers %s as it is chosen', async (errno) => {
    expect((await errnosOf(withChoices(folioMmapped, { errno }), mapsPrivate)).mmap).toEqual([errno]);
  });

  test('its VMM asks again after the errno that was chosen', () => {
    const retriesOn = (errno: string) => folioMmapped.rules({ check: 'refcount', choices: { errno } }).vmm?.retriesOn?.map((one) => ERRNOS[one]);
    expect([retriesOn('EPERM'), retriesOn('EBUSY')]).toEqual([['EAGAIN', 'EPERM'], ['EAGAIN', 'EBUSY']]);
  });

  test('with closure=lock no VMA is ever linked over a private page: the mmap race has no SIGBUS left', async () => {
    const [{ litmus }] = await readLitmusFiles(['mmap-race'], packageFolder());
    const outcomes = (closure: string) => checkLitmus({ litmus, policy: withChoices(folioMmapped, { closure }), check: 'refcount' }).outcomes;
    const without = ['EPERM | OK OK', 'OK | EPERM SIGSEGV', 'OK | OK OK', 'OK | OK SIGSEGV'];
    expect(outcomes('lock')).toEqual(without);
    expect(outcomes('backstop')).toEqual([...without, 'OK | OK SIGBUS'].sort());
  });

  test('with closure=lock a refused mmap and one without room drop the lock', async () => {
    const { convert, mmap, succeeded } = await errnosOf(withChoices(folioMmapped, { closure: 'lock' }), [a.map(5), a.toShared(5), a.hostWrite(5), a.toPrivate(5), a.map(5), a.toShared(5)]);
    expect({ convert, mmap, succeeded }).toEqual({ convert: [], mmap: ['EPERM'], succeeded: 1 });
  });
});

describe('refuse-mmap', () => {
  test.each(['EBUSY', 'EPERM'])('answers %s as it is chosen', async (errno) => {
    expect((await errnosOf(withChoices(refuseMmap, { errno }), [a.map(5)])).mmap).toEqual([errno]);
  });
});

describe('sigbus-on-fault with kernelUnmaps=false', () => {
  const policy = withChoices(sigbusOnFault, { kernelUnmaps: 'false' });

  test('has a VMM that unmaps before it asks, and maps again what is shared', async () => {
    const { tally } = await runScript([a.guestWrite(5), a.toShared(5), a.hostWrite(5), a.toPrivate(5), a.toShared(5), a.hostWrite(5)], { policy, pages: 512 });
    expect(tally.conversions.toPrivate).toMatchObject({ requested: 1, succeeded: 1, retries: 0 });
    expect([tally.completed, tally.accesses]).toEqual([6, 6]);
  });

  test('a page that stays mapped is EAGAIN until the VMM gives up', async () => {
    const withoutDance: ConversionPolicy = {
      ...policy,
      rules(options) {
        const { vmm: _, ...kernel } = policy.rules(options);
        return kernel;
      },
    };
    const script = [a.guestWrite(5), a.toShared(5), a.hostWrite(5), a.toPrivate(5)];
    for (const check of ['mapcount', 'mapped-or-pinned', 'refcount'] as const) {
      const { tally } = await runScript(script, { policy: withoutDance, pages: 512, check });
      expect([tally.conversions.toPrivate.succeeded, tally.conversions.toPrivate.timedOut]).toEqual([0, 1]);
    }
  });

  test.each(['mapped-page', 'host-fault-in-flight', 'gup-fast-pin', 'gup-fast-get', 'munmap-clean', 'munmap-dirty', 'two-processes', 'fork-race'])('keeps the page safe in %s', async (name) => {
    const [{ litmus }] = await readLitmusFiles([name], packageFolder());
    expect(checkLitmus({ litmus, policy, check: 'refcount' }).safety).not.toBe('broken');
  });
});
