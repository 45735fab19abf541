import { describe, expect, test } from 'vitest';
import { explore } from '../../test/tools/explorer.ts';
import { Machine } from '../../test/tools/litmusMachine.ts';
import { policyNamed } from '../../test/tools/runScript.ts';
import { a } from '../../test/tools/scripted.ts';
import type { ScriptedAccess } from '../../test/tools/scripted.ts';
import { withStep } from '../policies/wrong/steps.ts';
import { PageBit } from './file.ts';
import { brokenInvariant } from './invariants.ts';
import { Op } from './operations.ts';
import { Flow } from './step.ts';

const policy = policyNamed('sigbus-on-fault');
const hasEntry = ({ world }: Machine, page: number): boolean => (world.pageState[page] & PageBit.Secondary) !== 0;

/** How the accesses ended, one after the other; then the pages that the secondary MMU maps, and page 0's references. */
function run(accesses: readonly ScriptedAccess[], name = 'sigbus-on-fault') {
  const machine = new Machine({ policy: policyNamed(name), threads: [{ role: 'vmm', accesses: [a.fork(0)] }], shape: { content: 'preserve' } });
  const results = accesses.map((access) => machine.runAlone(0, access)).join(' ');
  const { world, host } = machine;
  expect(brokenInvariant(world, host.program)).toBeUndefined();
  return { results, mapped: [0, 1].filter((page) => hasEntry(machine, page)), refcount: world.refcount[0], ways: world.dataRefs[0] };
}

describe('a secondary MMU', () => {
  test('maps what the process has mapped, faults in what it has not, and keeps no reference', () => {
    expect(run([a.hostRead(0), a.secondaryMap(0)])).toEqual({ results: 'OK OK', mapped: [0], refcount: 2, ways: 2 });
    expect(run([a.secondaryMap(0)])).toEqual({ results: 'OK', mapped: [0], refcount: 2, ways: 2 });
  });

  test('has one entry a page, however often it maps it', () => {
    expect(run([a.secondaryMap(0), a.secondaryMap(0), a.secondaryMap(1)])).toEqual({ results: 'OK OK OK', mapped: [0, 1], refcount: 2, ways: 2 });
  });

  test('reads the page through its entry, and has none after a zap', () => {
    const machine = new Machine({ policy, threads: [{ accesses: [] }], shape: { content: 'preserve' } });
    for (const access of [a.hostWrite(0, 0, 0xa), a.secondaryMap(0), a.secondaryAccess(0)]) expect(machine.runAlone(0, access)).toBe('OK');
    expect(machine.world.meter.readValue).toBe(0xa);
    expect(run([a.secondaryMap(0), a.toPrivate(0), a.secondaryAccess(0)])).toEqual({ results: 'OK OK EFAULT', mapped: [], refcount: 1, ways: 0 });
    expect(run([a.secondaryMap(0), a.unmap(0, 2), a.secondaryAccess(0)]).results).toBe('OK OK EFAULT');
    expect(run([a.secondaryMap(0), a.punch(0), a.secondaryAccess(0)])).toEqual({ results: 'OK OK EFAULT', mapped: [], refcount: 0, ways: 0 });
  });

  test('keeps its entry where another page is zapped', () => {
    expect(run([a.secondaryMap(0), a.secondaryMap(1), a.toPrivate(1), a.secondaryAccess(0)])).toMatchObject({ results: 'OK OK OK OK', mapped: [0] });
  });

  test('has nothing where the host may have nothing', () => {
    expect(run([a.secondaryAccess(0), a.toPrivate(0), a.secondaryMap(0), a.secondaryMap(5), a.secondaryAccess(5)]))
      .toMatchObject({ results: 'EFAULT OK EFAULT EFAULT EFAULT', mapped: [] });
    expect(run([a.unmap(0, 2), a.secondaryMap(0)])).toMatchObject({ results: 'OK EFAULT', mapped: [] });
    expect(run([a.secondaryMap(0)], 'disallow-gup')).toMatchObject({ results: 'EFAULT', mapped: [] });
    expect(run([a.unmap(0, 2), a.secondaryMap(0)], 'refuse-mmap')).toMatchObject({ results: 'OK OK', mapped: [0] });
    expect(run([a.toPrivate(0), a.secondaryMap(1)], 'refuse-mmap')).toMatchObject({ results: 'OK EBUSY', mapped: [] });
  });

  test('starts again where a notifier begins between its look at the sequence and its entry', () => {
    const machine = new Machine({
      policy, before: [[1, a.hostRead(0)]],
      threads: [{ role: 'vmm', accesses: [a.secondaryMap(0)] }, { role: 'vmm', accesses: [a.unmap(0, 2)] }],
    });
    const until = (task: number, name: string): void => {
      while (machine.stepName(task) !== name) machine.step(task, false);
    };
    until(0, 'secondary.install');
    until(1, 'notifier.begin');
    machine.step(1, false);
    machine.step(0, false);
    expect([machine.stepName(0), hasEntry(machine, 0)]).toEqual(['folio.putRetry', false]);
  });

  test('does not begin between a notifier\'s begin and its end', () => {
    const machine = new Machine({
      policy, before: [[1, a.hostRead(0)]],
      threads: [{ role: 'vmm', accesses: [a.secondaryMap(0)] }, { accesses: [a.toPrivate(0)] }],
    });
    while (machine.stepName(1) !== 'pte.clear') machine.step(1, false);
    expect(machine.stepName(1)).toBe('pte.clear');
    while (machine.stepName(0) !== 'ptl.lock') machine.step(0, false);
    // The zap holds the page-table lock: nothing can be grabbed before the entry is gone.
    expect(machine.step(0, false)).toBe(Flow.Wait);
    expect(hasEntry(machine, 0)).toBe(false);
  });
});

describe('a secondary MMU against a conversion', () => {
  const threads = [{ accesses: [a.toPrivate(0)] }, { role: 'vmm', accesses: [a.secondaryMap(0), a.secondaryAccess(0)] }] as const;

  test.each(['sigbus-on-fault', 'folio-mmapped', 'refuse-mmap', 'disallow-gup', 'split-4k'])('never reaches a private page under %s', (name) => {
    const { counterexample, outcomes } = explore({ policy: policyNamed(name), threads, before: [[1, a.hostRead(0)]] });
    expect(counterexample).toBeUndefined();
    expect(outcomes.some((outcome) => outcome.startsWith('OK | '))).toBe(true);
  });

  test('reaches it where nobody tells it of the zap', () => {
    const silent = {
      ...policy,
      rules: (options: Parameters<typeof policy.rules>[0]) => {
        const rules = policy.rules(options);
        const begin = (world: Machine['world'], task: number) => {
          world.walkCursor[task] = world.walkStart[task];
          return Flow.Next;
        };
        return { ...rules, toPrivate: withStep(rules.toPrivate, 'notifier.begin', begin) };
      },
    };
    expect(explore({ policy: silent, threads, before: [[1, a.hostRead(0)]] }).counterexample?.what).toBe('exposure');
  });
});

describe('a notifier', () => {
  test('looks for no entries where there are none', () => {
    const machine = new Machine({ policy, threads: [{ accesses: [] }] });
    machine.runAlone(0, a.hostRead(0));
    // An entry that nobody counted is not found: the scan was not made.
    machine.world.pageState[0] |= PageBit.Secondary;
    machine.runAlone(0, a.toPrivate(0));
    expect(hasEntry(machine, 0)).toBe(true);
    expect(machine.world.meter.count[Op.notifier]).toBe(1);
  });

  test('is heard in the process that has made the virtual machine, and in no other that maps the page', () => {
    const vmm = { role: 'vmm', accesses: [] } as const;
    const machine = new Machine({ policy, threads: [{ accesses: [] }, vmm, { ...vmm, process: 1 }, { ...vmm, process: 2 }] });
    for (const thread of [1, 2, 3]) expect(machine.runAlone(thread, a.hostRead(0))).toBe('OK');
    machine.runAlone(0, a.toPrivate(0));
    const { count } = machine.world.meter;
    expect([count[Op['vma.visit']], count[Op['pte.zap']], count[Op.notifier]]).toEqual([3, 3, 1]);
  });
});
