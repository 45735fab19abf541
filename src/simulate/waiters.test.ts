import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LockClass, lockId } from '../model/locks.ts';
import { Waiting } from '../model/meter.ts';
import { Waiters } from './waiters.ts';

const invalidate = lockId(LockClass.Invalidate, 0);
const mmu = lockId(LockClass.Mmu, 0);
const table = (index: number) => lockId(LockClass.PageTable, index);

describe('who waits for a lock', () => {
  test('is woken first come, first served, whatever the others wait for', () => {
    const waiters = new Waiters(4);
    waiters.wait(invalidate, 2);
    waiters.wait(mmu, 3);
    waiters.wait(invalidate, 0);
    waiters.wait(invalidate, 1);
    expect([waiters.wake(invalidate), waiters.wake(invalidate), waiters.wake(mmu), waiters.wake(invalidate), waiters.wake(invalidate)]).toEqual([2, 0, 3, 1, -1]);
  });

  test('keeps the place when it has to wait again, and loses it once it is served', () => {
    const waiters = new Waiters(2);
    waiters.wait(invalidate, 1);
    waiters.wait(invalidate, 0);
    waiters.wait(invalidate, waiters.wake(invalidate));
    expect(waiters.wake(invalidate)).toBe(1);
    expect([waiters.wasWaiting(1), waiters.waitedOn(1)]).toEqual([true, invalidate]);
    waiters.served(1);
    expect(waiters.wasWaiting(1)).toBe(false);
    waiters.wait(invalidate, 1);
    expect([waiters.wake(invalidate), waiters.wake(invalidate)]).toEqual([0, 1]);
  });

  test('tells two locks of one class apart, and stands in the mask by the class', () => {
    const waiters = new Waiters(3);
    waiters.wait(table(70_000_000), 0);
    waiters.wait(table(1), 1);
    waiters.wait(lockId(Waiting.CrossCall, 2), 2);
    expect(waiters.classes).toBe((1 << LockClass.PageTable) | (1 << Waiting.CrossCall));
    expect([waiters.wake(table(2)), waiters.wake(table(1)), waiters.wake(lockId(Waiting.CrossCall, 2))]).toEqual([-1, 1, 2]);
    expect([waiters.count, waiters.classes]).toEqual([1, 1 << LockClass.PageTable]);
    expect([waiters.wake(table(70_000_000)), waiters.count, waiters.classes]).toEqual([0, 0, 0]);
  });

  test('is the earliest of a plain list for any history', () => {
    const actions = fc.array(fc.record({ task: fc.nat({ max: 7 }), lock: fc.nat({ max: 2 }), kind: fc.constantFrom('wait' as const, 'wake' as const, 'served' as const) }), { maxLength: 200 });
    expect(() => fc.assert(fc.property(actions, agreesWithPlainList))).not.toThrow();
  });
});

interface Action {
  readonly task: number;
  readonly lock: number;
  readonly kind: 'wait' | 'wake' | 'served';
}

/** Does the same with arrays, and compares after every action. */
function agreesWithPlainList(actions: readonly Action[]): boolean {
  const waiters = new Waiters(8);
  const places: number[] = []; // tasks that hold a place, in the order of their coming
  const waitsFor = new Map<number, number>();
  for (const { task, lock, kind } of actions) {
    if (kind === 'wake') {
      const expected = places.find((one) => waitsFor.get(one) === lock) ?? -1;
      if (waiters.wake(table(lock)) !== expected) return false;
      waitsFor.delete(expected);
    } else if (waitsFor.has(task)) {
      continue; // who waits can do nothing
    } else if (kind === 'wait') {
      waiters.wait(table(lock), task);
      waitsFor.set(task, lock);
      if (!places.includes(task)) places.push(task);
    } else {
      waiters.served(task);
      if (places.includes(task)) places.splice(places.indexOf(task), 1);
    }
    const classes = waitsFor.size === 0 ? 0 : 1 << LockClass.PageTable;
    if (waiters.count !== waitsFor.size || waiters.classes !== classes) return false;
  }
  return true;
}
