/** Which path GUP takes, and what becomes of a caller who wants one of them only. */
import { describe, expect, test } from 'vitest';
import { Machine } from '../../test/tools/litmusMachine.ts';
import { policyNamed } from '../../test/tools/runScript.ts';
import { a } from '../../test/tools/scripted.ts';
import type { ScriptedAccess } from '../../test/tools/scripted.ts';
import { Errno } from './errno.ts';
import { brokenInvariant } from './invariants.ts';
import { Op } from './operations.ts';
import { SlotKind } from './slots.ts';
import { Flow } from './step.ts';
import { TaskFlag } from './tasks.ts';

const { FastOnly, SlowOnly, ReadOnly } = TaskFlag;
const flagged = (access: ScriptedAccess, flags: number): ScriptedAccess => ({ ...access, flags });

/** How the access ends after pages 0 and 1 were mapped, and by which paths it looked at how many pages; page 2 is private, page 3 untouched. */
function take(access: ScriptedAccess, policy = 'sigbus-on-fault') {
  const machine = new Machine({
    policy: policyNamed(policy),
    threads: [{ accesses: [] }],
    before: [a.hostWrite(0), a.hostWrite(1), a.toPrivate(2)].map((before) => [0, before] as const),
    shape: { pages: 4, slotPages: 4 },
  });
  const { world, host } = machine;
  const errors = world.meter.gupErrors[Errno.EFAULT];
  const result = machine.runAlone(0, access);
  expect(brokenInvariant(world, host.program)).toBeUndefined();
  const { count, gupErrors } = world.meter;
  return { result, fast: count[Op['gup.fast']], slow: count[Op['gup.slow']], held: world.slotCount[0], errors: gupErrors[Errno.EFAULT] - errors };
}

describe('GUP', () => {
  test('takes the fast path, and the slow one for what is not mapped', () => {
    expect(take(a.pinShort(0, 0, 2))).toEqual({ result: 'OK', fast: 2, slow: 0, held: 2, errors: 0 });
    expect(take(a.pinShort(0, 3))).toEqual({ result: 'OK', fast: 1, slow: 1, held: 1, errors: 0 });
  });

  test.each([a.pinShort(0, 0, 2), a.splice(0, 0, 2)])('with FOLL_FAST_ONLY is content with what is mapped: kind $kind', (access) => {
    expect(take(flagged(access, FastOnly))).toEqual({ result: 'OK', fast: 2, slow: 0, held: 2, errors: 0 });
  });

  test('with FOLL_FAST_ONLY is EFAULT where the fast path stops, and holds nothing of what it took', () => {
    expect(take(flagged(a.pinShort(0, 3), FastOnly))).toEqual({ result: 'EFAULT', fast: 1, slow: 0, held: 0, errors: 1 });
    // The entry that stops it is charged where it is the first.
    expect(take(flagged(a.pinShort(0, 1, 2), FastOnly))).toEqual({ result: 'EFAULT', fast: 1, slow: 0, held: 0, errors: 1 });
    expect(take(flagged(a.pinShort(0, 1, 4), FastOnly))).toMatchObject({ result: 'EFAULT', held: 0 });
  });

  test('by the slow path only finds the same pages', () => {
    expect(take(flagged(a.pinShort(0, 0, 2), SlowOnly))).toEqual({ result: 'OK', fast: 0, slow: 2, held: 2, errors: 0 });
    expect(take(flagged(a.splice(0, 1, 2), SlowOnly))).toEqual({ result: 'EFAULT', fast: 0, slow: 2, held: 0, errors: 1 });
  });

  test('for long takes the slow path where it writes, and may take the fast one where it only reads', () => {
    expect(take(a.pinLong(0, 0, 2))).toEqual({ result: 'OK', fast: 0, slow: 2, held: 2, errors: 0 });
    expect(take(flagged(a.pinLong(0, 0, 2), ReadOnly))).toEqual({ result: 'OK', fast: 2, slow: 0, held: 2, errors: 0 });
    expect(take(flagged(a.pinLong(0, 0, 2), ReadOnly | SlowOnly))).toEqual({ result: 'OK', fast: 0, slow: 2, held: 2, errors: 0 });
  });

  test('for long and for writing by the fast path only is refused', () => {
    expect(take(flagged(a.pinLong(0, 0), FastOnly))).toEqual({ result: 'EFAULT', fast: 0, slow: 0, held: 0, errors: 1 });
    expect(take(flagged(a.pinLong(0, 0), FastOnly | ReadOnly))).toMatchObject({ result: 'OK', held: 1 });
  });

  test('is refused by a policy that allows none, whichever path is wanted', () => {
    for (const flags of [0, FastOnly, SlowOnly, ReadOnly]) {
      expect(take(flagged(a.pinLong(0, 0), flags), 'disallow-gup')).toMatchObject({ result: 'EFAULT', held: 0, errors: 1 });
      expect(take(flagged(a.splice(0, 0), flags), 'disallow-gup')).toMatchObject({ result: 'EFAULT', held: 0, errors: 1 });
    }
  });
});

describe('an I/O that is refused', () => {
  test('keeps its device to its end: nobody else gets it in between', () => {
    const machine = new Machine({
      policy: policyNamed('sigbus-on-fault'),
      threads: [{ role: 'vmm', accesses: [a.io(0, 2)] }, { role: 'vmm', accesses: [a.io(0)] }],
      before: [[0, a.hostWrite(0)], [0, a.toPrivate(1)]],
      shape: { slotPages: 2 },
    });
    const { world, host } = machine;
    const device = world.shape.slots - 1;
    const until = (task: number, name: string): void => {
      while (machine.stepName(task) !== name) machine.step(task, false);
    };
    until(0, 'slot.refuse');
    expect([world.slotKind[device], world.slotCount[device]]).toEqual([SlotKind.Pin, 0]);
    until(1, 'device.claim');
    expect(machine.step(1, false)).toBe(Flow.Wait);
    until(0, 'refused');
    machine.step(0, false);
    until(1, 'device.start');
    expect([world.slotKind[device], world.slotCount[device], machine.hasWork(0)]).toEqual([SlotKind.Pin, 1, false]);
    expect(brokenInvariant(world, host.program)).toBeUndefined();
  });
});
