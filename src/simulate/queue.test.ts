import { array, assert, nat, property } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TaskQueue } from './queue.ts';

const TASKS = 5;

describe('the task queue', () => {
  test('gives tasks by their time, and the lower of two that are as early', () => {
    const queue = new TaskQueue(TASKS);
    for (const [task, timeNs] of [[3, 20], [4, 10], [1, 20], [0, 30]]) queue.push(task, timeNs);
    expect(Array.from({ length: 4 }, () => queue.pop())).toEqual([4, 1, 3, 0]);
  });

  test('has somebody behind the last task who never goes on, where nobody is in it: at first, and again', () => {
    const queue = new TaskQueue(TASKS);
    expect([queue.first, queue.timeNs[queue.first]]).toEqual([TASKS, Infinity]);
    queue.push(2, 7);
    expect([queue.first, queue.timeNs[queue.first]]).toEqual([2, 7]);
    queue.pop();
    expect([queue.first, queue.timeNs[queue.first], queue.size, queue.has(2)]).toEqual([TASKS, Infinity, 0, false]);
  });

  test('gives a task back at once where nobody is in it, or nobody comes before it', () => {
    const queue = new TaskQueue(TASKS);
    expect(queue.replaceFirst(3, 40)).toBe(3);
    queue.push(4, 40);
    expect([queue.replaceFirst(3, 40), queue.first]).toEqual([3, 4]);
    expect([queue.replaceFirst(3, 41), queue.first]).toEqual([4, 3]);
  });

  test('keeps its order whoever comes later or earlier than it thought', () => {
    const times = array(nat(8), { minLength: TASKS, maxLength: TASKS });
    assert(
      property(times, times, (firstNs, thenNs) => {
        const queue = new TaskQueue(TASKS);
        firstNs.forEach((ns, task) => queue.push(task, ns));
        thenNs.forEach((ns, task) => (ns < firstNs[task] ? queue.hasten(task, ns) : queue.delay(task, ns)));
        const expected = thenNs.map((ns, task) => ({ ns, task })).toSorted((a, b) => a.ns - b.ns || a.task - b.task).map(({ task }) => task);
        expect(thenNs.map(() => queue.pop())).toEqual(expected);
      }),
    );
  });
});
