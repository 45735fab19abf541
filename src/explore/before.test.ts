import { describe, expect, test } from 'vitest';
import { DEPTH_MAX } from '../model/step.ts';
import type { TaskWorld } from '../model/taskWorld.ts';
import { endsOtherwise, neverEnds, stepUntilNobodyCan } from './before.ts';
import type { LitmusOperation } from './litmus.ts';
import { resultId } from './results.ts';
import { Errno } from '../model/errno.ts';

/** Tasks at positions of a program where positions below 10 lead to the one below, and those from 10 on wait; 0 is the end. */
function run(positions: readonly number[], { onTimeout = {}, endless = false }: { readonly onTimeout?: Readonly<Record<number, number>>; readonly endless?: boolean } = {}): {
  readonly told: readonly string[];
  readonly left: readonly number[];
} {
  const pc = new Uint16Array(positions.length * DEPTH_MAX);
  for (const [task, at] of positions.entries()) pc[task * DEPTH_MAX] = at;
  const world = { pc, depth: new Uint8Array(positions.length), shape: { tasks: positions.length } } as unknown as TaskWorld;
  const told: string[] = [];
  stepUntilNobodyCan({
    world,
    onTimeout: Array.from({ length: 20 }, (_, at) => onTimeout[at] ?? 0),
    step(task, at) {
      told.push(`${task} at ${at}`);
      if (at >= 10) return false;
      if (!endless) pc[task * DEPTH_MAX]--;
      return true;
    },
    acknowledge: (task) => told.push(`for ${task}`),
  });
  return { told, left: positions.map((_, task) => pc[task * DEPTH_MAX]) };
}

describe('what runs alone', () => {
  test('takes its steps in turn with what it starts, and is answered behind each', () => {
    expect(run([2, 0, 1])).toEqual({ told: ['0 at 2', 'for 0', '2 at 1', 'for 2', '0 at 1', 'for 0'], left: [0, 0, 0] });
  });

  test('is left where it waits, once nobody else can go on', () => {
    expect(run([10, 2])).toEqual({ told: ['0 at 10', 'for 0', '1 at 2', 'for 1', '0 at 10', 'for 0', '1 at 1', 'for 1', '0 at 10', 'for 0'], left: [10, 0] });
  });

  test('waits to the limit only where nothing else goes on, and of two the later task first', () => {
    const { told, left } = run([11, 12, 1], { onTimeout: { 11: 1, 12: 1 } });
    expect([told.filter((text) => !text.startsWith('for')), left]).toEqual([['0 at 11', '1 at 12', '2 at 1', '0 at 11', '1 at 12', '0 at 11', '1 at 1', '0 at 11', '0 at 1'], [0, 0, 0]]);
  });

  test('is given up after a hundred thousand steps', () => {
    const { told, left } = run([1], { endless: true });
    expect([told.length, left]).toEqual([200_000, [1]]);
  });
});

describe('an operation of `before`', () => {
  const operation = { line: 7, text: 'pin 0 as buffer' } as LitmusOperation;

  test('that never ends says where it stands', () => {
    expect(neverEnds('x.litmus.yaml', operation, 'folio.lock').message).toBe(
      'x.litmus.yaml:7: "pin 0 as buffer" of `before` never ends\n  why: it stands at folio.lock while everybody else rests\n  fix: move it into a thread, or release first what it waits for',
    );
  });

  test('that ends otherwise says how, and what was expected', () => {
    const failed = resultId(Errno.EFAULT, -1, -1);
    expect(endsOtherwise('x.litmus.yaml', operation, failed).message).toContain('ends with EFAULT\n  why: what comes before everything must end with OK, or as the file says');
    expect(endsOtherwise('x.litmus.yaml', { ...operation, expected: { errno: 'EAGAIN' } }, failed).why).toContain('must end with EAGAIN');
  });
});
