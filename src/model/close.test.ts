import { describe, expect, test } from 'vitest';
import { Machine } from '../../test/tools/litmusMachine.ts';
import { policyNamed } from '../../test/tools/runScript.ts';
import { a } from '../../test/tools/scripted.ts';
import type { ScriptedAccess } from '../../test/tools/scripted.ts';
import { PageBit } from './file.ts';
import { brokenInvariant } from './invariants.ts';
import { Op } from './operations.ts';
import type { Shape } from './shape.ts';
import { stage2Maps } from './stage2.ts';

const pages = [0, 1, 2, 3];

/** Two processes, one thread each, and how their accesses end; then what is in the file, in stage-2 and in orphans. */
function run(accesses: readonly (readonly [process: number, access: ScriptedAccess])[], shape: Partial<Shape> = {}) {
  const machine = new Machine({
    policy: policyNamed('sigbus-on-fault'),
    threads: [{ accesses: [] }, { role: 'vmm', process: 1, accesses: [] }],
    shape: { pages: pages.length, ...shape },
  });
  const { world, host } = machine;
  const results = accesses.map(([process, access]) => machine.runAlone(process, access)).join(' ');
  expect(brokenInvariant(world, host.program)).toBeUndefined();
  return {
    results,
    present: pages.filter((page) => world.pageState[page] & PageBit.Present),
    stage2: pages.filter((page) => stage2Maps(world, page)),
    orphans: [...world.refcount.subarray(pages.length)],
  };
}

const unmapBoth = [[0, a.unmap(0, 4)], [1, a.unmap(0, 4)]] as const;
const touched = [[0, a.guestWrite(0)], [0, a.guestWrite(3)]] as const;

describe('close', () => {
  test('of the last descriptor gives all memory back where nothing is mapped, whatever is private', () => {
    expect(run([...touched, [0, a.toPrivate(3)], [0, a.guestWrite(3)], ...unmapBoth, [0, a.close()], [1, a.close()]]))
      .toEqual({ results: 'OK OK OK OK OK OK OK OK', present: [], stage2: [], orphans: [0, 0] });
  });

  test('of another than the last gives nothing back', () => {
    expect(run([...touched, ...unmapBoth, [0, a.close()]])).toEqual({ results: 'OK OK OK OK OK', present: [0, 3], stage2: [0, 3], orphans: [0, 0] });
  });

  test('gives nothing back while any process has a mapping, nor when that goes', () => {
    expect(run([...touched, unmapBoth[0], [0, a.close()], [1, a.close()], unmapBoth[1]])).toMatchObject({ results: 'OK OK OK OK OK OK', present: [0, 3], stage2: [0, 3] });
    expect(run([...touched, ...unmapBoth, [0, a.map(5, 1)], [0, a.close()], [1, a.close()]])).toMatchObject({ present: [0, 3] });
  });

  test('leaves to those who hold pages what they hold', () => {
    const held = [[0, a.pinLong(0, 1)], ...unmapBoth, [0, a.close()], [1, a.close()]] as const;
    expect(run(held)).toEqual({ results: 'OK OK OK OK OK', present: [], stage2: [], orphans: [1024, 0] });
    expect(run(held, { folioOrder: 1 }).orphans).toEqual([1, 0, 0, 0]);
    expect(run([...held, [0, a.unpin(0)]]).orphans).toEqual([0, 0]);
  });

  test('can be done once', () => {
    expect(run([...touched, [0, a.close()], [0, a.close()]])).toMatchObject({ results: 'OK OK OK EINVAL', present: [0, 3] });
  });

  test('kicks the other vCPUs where it zapped something, under invalidate_lock', () => {
    const machine = new Machine({
      policy: policyNamed('sigbus-on-fault'), threads: [{ accesses: [a.close()] }, { accesses: [] }], before: [[0, a.guestWrite(0)], [0, a.unmap(0, 2)]],
    });
    machine.world.meter.count.fill(0);
    while (machine.stepName(0) !== 'kick.wait') machine.step(0, false);
    expect(machine.world.invalidateLock[0]).toBe(0xffff);
    expect([machine.world.meter.count[Op['stage2.zap']], machine.world.meter.count[Op['stage2.kick']]]).toEqual([1, 1]);
  });
});
