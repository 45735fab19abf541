import { describe, expect, test } from 'vitest';
import { flatCosts } from '../../test/tools/flatCosts.ts';
import { checkLitmus } from '../explore/checkLitmus.ts';
import { readLitmus } from '../explore/parseLitmus.ts';
import { Op } from '../model/operations.ts';
import { Flow, end, step } from '../model/step.ts';
import type { Run, Step } from '../model/step.ts';
import { run } from '../simulate/run.ts';
import { workloads } from '../workloads/index.ts';
import { folioMmapped } from './conversion/folio-mmapped.ts';
import { sigbusOnFault, unmapThenCheckSteps } from './conversion/sigbus-on-fault.ts';
import { RULES, StepError, errorText, guardPolicy } from './guard.ts';
import type { ConversionPolicy } from './policy.ts';

const guarded = (policy: ConversionPolicy, bounded = true) => guardPolicy(policy, { path: 'own.mjs', bounded });

/** sigbus-on-fault with a step before all others. */
const before = (...steps: readonly Step[]): ConversionPolicy => ({
  ...sigbusOnFault,
  name: 'own',
  rules: (options) => ({ ...sigbusOnFault.rules(options), toPrivate: [...steps, ...unmapThenCheckSteps({ check: options.check })] }),
});

async function simulate(policy: ConversionPolicy) {
  const workload = workloads.find(({ name }) => name === 'ping-pong');
  if (workload === undefined) throw new Error('no ping-pong');
  const options = { pageCount: 4096, accessCount: 2000, seed: 1, vcpus: 2, processes: 1, windowsPerProcess: 1, conversion: 'explicit', dma: 'pool', io: 'direct', pace: 'closed' } as const;
  const { tally } = await run({ policy, workload, check: 'refcount', costs: flatCosts(100), folioOrder: 0, options });
  return tally;
}

async function failureOf(run: Run): Promise<StepError> {
  const error: unknown = await simulate(guarded(before(step('mine', run)))).catch((reason: unknown) => reason);
  if (error instanceof StepError) return error;
  throw error;
}

describe('the guard', () => {
  test.each([sigbusOnFault, folioMmapped])('changes no figure of $name', async (policy) => {
    expect(await simulate(guarded(policy))).toEqual(await simulate(policy));
  });

  const none: Run = () => undefined as never;
  test.each<readonly [string, Run, string]>([
    ['nothing', none, 'it answers nothing, and a step says where to go on'],
    ['a word', () => 'next' as never, 'it answers next, which is no Flow'],
    ['an object', () => ({}) as never, 'it answers an object, which is no Flow'],
    ['half a Flow', () => 0.5 as never, 'it answers 0.5, which is no Flow'],
    ['a promise', () => Promise.reject(new Error('late')) as never, 'it answers a promise, and a step is over when it returns'],
    ['elsewhere, without a label', () => Flow.Otherwise, 'it answers Flow.Otherwise and has no label to go on at'],
    ['sleep, without a label', () => Flow.Sleep, 'it answers Flow.Sleep and has no label to go on at'],
    ['a call of nothing', () => Flow.Call, 'it answers Flow.Call and names no routine'],
    ['a wait for nothing', () => Flow.Wait, 'it answers Flow.Wait and does not say what it waits for'],
    ['an operation that does not exist', (world) => (world.meter.charge(-1), Flow.Next), 'it charged an operation that does not exist, or less than none of one'],
    ['less than nothing', (world) => (world.meter.chargeMany(Op.ipc, -1), Flow.Next), 'it charged an operation that does not exist, or less than none of one'],
  ])('refuses a step that answers %s', async (_what, run, why) => {
    expect(await failureOf(run)).toMatchObject({ what: 'step "mine" of toPrivate of own (own.mjs) is no step', why, message: `step "mine" of toPrivate: ${why}` });
  });

  test('refuses the last step of a routine that goes on', async () => {
    const policy: ConversionPolicy = { ...sigbusOnFault, name: 'own', rules: (options) => ({ ...sigbusOnFault.rules(options), toPrivate: [step('mine', () => Flow.Next)] }) };
    await expect(simulate(guarded(policy))).rejects.toThrow('step "mine" of toPrivate: it answers Flow.Next and is the last step of its routine');
  });

  test('ends what goes in circles, where a bound is asked for', async () => {
    const circle = before(step('a', () => Flow.Next), step('b', () => Flow.Otherwise, 'a'));
    await expect(simulate(guarded(circle))).rejects.toThrow('step "b" of toPrivate: its routine has taken 20000000 steps and does not end; it was here when the count was full');
  });

  test('tells what threw, and keeps the words of a lock out of order', async () => {
    expect(await failureOf(() => { throw new RangeError('too far\nby a mile'); })).toMatchObject({ what: 'step "mine" of toPrivate of own (own.mjs) threw', why: expect.stringMatching(/^RangeError: too far/) });
    expect((await failureOf(() => { throw new Error('lock order: task 0 takes class 0'); })).message).toBe('lock order: task 0 takes class 0 (step "mine" of toPrivate)');
    expect((await failureOf(() => { throw 'a text'; })).why).toBe('a thrown string: a text'); // oxlint-disable-line no-throw-literal
  });

  test('tells a watcher which step it is at, also where that throws', () => {
    const told: (number | readonly string[])[] = [];
    const policy = before(step('mine', () => { throw new Error('no'); }));
    const watcher = { steps: (names: readonly string[]) => void told.push(names.slice(0, 2)), at: (number: number) => void told.push(number) };
    const { toPrivate } = guardPolicy(policy, { path: 'own.mjs', bounded: false, watcher }).rules({ check: 'refcount' });
    expect(told).toEqual([RULES, 0, ['step "mine" of toPrivate', 'step "invalidate.writeLock" of toPrivate']]);
    expect(() => toPrivate[0].run({ meter: {} } as never, 0)).toThrow(StepError);
    expect(told.slice(3)).toEqual([1, 0]);
  });

  test('leaves steps alone that only say where to go on: the program knows them by their functions', () => {
    const { toPrivate } = guarded(sigbusOnFault).rules({ check: 'refcount' });
    expect(toPrivate.at(-1)).toBe(end);
    const bare = unmapThenCheckSteps({ check: 'refcount' });
    expect(toPrivate.map(({ name, otherwise, mark }) => [name, otherwise, mark])).toEqual(bare.map(({ name, otherwise, mark }) => [name, otherwise, mark]));
  });

  test('changes no verdict', () => {
    const { litmus } = readLitmus('name: x\nquestion: Is it private?\nsource: a test\nworld:\n  pages: 1\nthreads:\n  vcpu:\n    - to-private 0\n  host:\n    - pin 0 as buffer fast\nexpect:\n  "*": proved\n', 'x.litmus.yaml');
    const bare = checkLitmus({ litmus, policy: sigbusOnFault, check: 'refcount' });
    expect(checkLitmus({ litmus, policy: guarded(sigbusOnFault, false), check: 'refcount' })).toEqual(bare);
  });
});

test('an error names the first place that is not the package itself', () => {
  const error = new TypeError('no');
  error.stack = 'TypeError: no\n    at run (file:///x/dist/src/policies/guard.js:3:4)\n    at mine (file:///home/me/my.policy.mjs:12:7)\n    at node:internal/x:1:1';
  expect(errorText(error)).toBe('TypeError: no (my.policy.mjs:12)');
});
