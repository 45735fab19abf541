/** fallocate of the file, with and without a hole: what is an error, and what is in the file afterwards. */
import { describe, expect, test } from 'vitest';
import { Machine } from '../../test/tools/litmusMachine.ts';
import { policyNamed } from '../../test/tools/runScript.ts';
import { a } from '../../test/tools/scripted.ts';
import type { ScriptedAccess } from '../../test/tools/scripted.ts';
import { PageBit, isPrivate } from './file.ts';
import { brokenInvariant } from './invariants.ts';
import { Op } from './operations.ts';
import type { Shape } from './shape.ts';
import { TaskFlag } from './tasks.ts';

const pages = [0, 1, 2, 3];
const unaligned = (access: ScriptedAccess): ScriptedAccess => ({ ...access, flags: TaskFlag.Unaligned });

function machineOf(shape: Partial<Shape> = {}): Machine {
  return new Machine({ policy: policyNamed('sigbus-on-fault'), threads: [{ accesses: [] }], shape: { pages: pages.length, ...shape } });
}

/** How the accesses ended on a file of four pages, and the heads of the folios that are in it then. */
function run(accesses: readonly ScriptedAccess[], shape: Partial<Shape> = {}) {
  const machine = machineOf(shape);
  const { world, host } = machine;
  const results = accesses.map((access) => machine.runAlone(0, access)).join(' ');
  expect(brokenInvariant(world, host.program)).toBeUndefined();
  return { results, present: pages.filter((page) => world.pageState[page] & PageBit.Present) };
}

describe('allocate', () => {
  test('brings the folios of the range into the file: up to date, in the LRU batch, mapped by nobody', () => {
    const filled = machineOf({ lruBatch: 4 });
    expect(filled.runAlone(0, a.allocate(1, 2))).toBe('OK');
    const up = PageBit.Present | PageBit.UpToDate;
    expect([...filled.world.pageState]).toEqual([0, up, up, 0]);
    expect([...filled.world.refcount]).toEqual([0, 2, 2, 0, 0, 0]); // the page cache and the batch
    expect([...filled.world.lruPage]).toEqual([2, 3, 0, 0]);
    expect(filled.world.meter.count[Op['folio.alloc']]).toBe(2);
  });

  test('leaves a folio that is there with its content, and one that is private private', () => {
    const machine = machineOf({ content: 'preserve' });
    for (const access of [a.guestWrite(1, 0xa), a.toPrivate(1), a.allocate(0, 4)]) expect(machine.runAlone(0, access)).toBe('OK');
    expect([machine.world.content[1], isPrivate(machine.world, 1)]).toEqual([0xa, true]);
    expect(machine.world.meter.count[Op['folio.alloc']]).toBe(3);
  });

  test('takes whole folios', () => {
    expect(run([a.allocate(1, 2)], { folioOrder: 1 })).toEqual({ results: 'OK', present: [0, 2] });
    expect(run([a.allocate(1)], { folioOrder: 1, largeBacking: true })).toEqual({ results: 'OK', present: [0] });
  });

  test('is EINVAL beyond the end of the file or off a page boundary, and changes nothing', () => {
    expect(run([a.allocate(4), a.allocate(5), a.allocate(3, 2), unaligned(a.allocate(0))])).toEqual({ results: 'EINVAL EINVAL EINVAL EINVAL', present: [] });
  });
});

describe('punch', () => {
  test('succeeds beyond the end of the file, and takes what is in it', () => {
    expect(run([a.allocate(0, 4), a.punch(4), a.punch(9, 2)])).toEqual({ results: 'OK OK OK', present: pages });
    expect(run([a.allocate(0, 4), a.punch(2, 9)])).toEqual({ results: 'OK OK', present: [0, 1] });
    expect(run([a.allocate(0, 4), a.punch(3, 9)], { folioOrder: 1 })).toEqual({ results: 'OK OK', present: [0, 2] });
  });

  test('is EINVAL off a page boundary, beyond the end too, and changes nothing', () => {
    expect(run([a.allocate(0, 4), unaligned(a.punch(0, 2)), unaligned(a.punch(5))])).toEqual({ results: 'OK EINVAL EINVAL', present: pages });
  });

  test('and allocate may be repeated', () => {
    expect(run([a.allocate(0, 4), a.punch(1), a.punch(1), a.allocate(1), a.allocate(1)])).toEqual({ results: 'OK OK OK OK OK', present: pages });
  });
});
