import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Access, createBatch } from '../workload.ts';
import { AccessQueue } from './queue.ts';

describe('a queue of accesses', () => {
  test('gives them in the order in which they came, however pushes and takes mix', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ push: fc.nat({ max: 3000 }), take: fc.nat({ max: 3000 }) }), { maxLength: 8 }), (rounds) => {
        const queue = new AccessQueue();
        let pushed = 0;
        let taken = 0;
        for (const { push, take } of rounds) {
          for (let i = 0; i < push; i++, pushed++) queue.push(pushed, Access.PinShort, pushed * 2, pushed % 65, pushed % 1024);
          const batch = createBatch(take);
          const length = queue.take(batch, 10);
          expect(length).toBe(Math.min(take, pushed - taken));
          for (let i = 0; i < length; i++, taken++) {
            if (batch.page[i] !== taken * 2 || batch.count[i] !== taken % 65 || batch.slot[i] !== taken % 1024 || batch.atNs[i] !== Math.max(0, taken - 10)) {
              throw new Error(`access ${taken} came out as page ${batch.page[i]} count ${batch.count[i]} slot ${batch.slot[i]} at ${batch.atNs[i]}`);
            }
          }
          expect(queue.length).toBe(pushed - taken);
        }
      }),
    );
  });
});
