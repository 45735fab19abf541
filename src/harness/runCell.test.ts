import { describe, expect, test } from 'vitest';
import { UserError } from '../model/userError.ts';
import { cellErrorOf } from './runCell.ts';

describe('what a failed cell says', () => {
  test('is what the user did wrong, in the words of the mistake', () => {
    expect(cellErrorOf(new UserError({ what: 'a', why: 'b', fix: 'c' }))).toEqual({ what: 'a', why: 'b', fix: 'c' });
  });

  test('is where a defect is in our sources, and nothing of the machine', () => {
    const error = new RangeError('no such lock');
    error.stack = `RangeError: no such lock
    at take (file:///home/somebody/foliobench/dist/src/model/locks.js:12:34)
    at async run (file:///home/somebody/foliobench/dist/src/simulate/engine.js:5:6)
    at node:internal/process/task_queues:77:11`;
    expect(cellErrorOf(error).why).toBe('RangeError: no such lock (at src/model/locks.js:12, src/simulate/engine.js:5)');
    error.stack = 'RangeError: no such lock';
    expect(cellErrorOf(error).why).toBe('RangeError: no such lock');
    expect(cellErrorOf('text').why).toBe('text');
  });
});
