import { describe, expect, test } from 'vitest';
import { Machine } from '../../test/tools/litmusMachine.ts';
import { policyNamed } from '../../test/tools/runScript.ts';
import { a } from '../../test/tools/scripted.ts';
import type { ScriptedAccess } from '../../test/tools/scripted.ts';
import type { Shape } from './shape.ts';

/** Runs the accesses one after the other, and gives what each read (undefined: nothing) or, where it failed, how. */
function readBy(accesses: readonly ScriptedAccess[], shape: Partial<Shape> = {}, policy = 'sigbus-on-fault'): readonly (number | string | undefined)[] {
  const machine = new Machine({ policy: policyNamed(policy), threads: [{ accesses }], shape: { content: 'preserve', ...shape } });
  const { meter } = machine.world;
  return accesses.map((access) => {
    meter.readValue = -1;
    const result = machine.runAlone(0, access);
    return result !== 'OK' ? result : meter.readValue < 0 ? undefined : meter.readValue;
  });
}

/** The same without what read nothing. */
const valuesOf = (accesses: readonly ScriptedAccess[], shape: Partial<Shape> = {}) => readBy(accesses, shape).filter((value) => value !== undefined);

describe('the content of a page', () => {
  test('is what was written last, whoever reads it and by whichever way', () => {
    expect(readBy([a.hostWrite(0, 0, 0xa), a.guestRead(0), a.guestWrite(0, 0xb), a.hostRead(0), a.pinShort(0, 0, 2), a.device(0), a.copy(0, 2), a.fork(0), a.unpin(0)]))
      .toEqual([undefined, 0xa, undefined, 0xb, undefined, 0xb, 0xb, 0xb, undefined]);
  });

  test('is its own: another page has another', () => {
    expect(valuesOf([a.hostWrite(0, 0, 0xa), a.hostWrite(1, 0, 0xb), a.guestRead(0), a.guestRead(1)])).toEqual([0xa, 0xb]);
    expect(valuesOf([a.hostWrite(0, 0, 0xa), a.hostWrite(1, 0, 0xb), a.guestRead(0), a.guestRead(1)], { folioOrder: 1 })).toEqual([0xa, 0xb]);
  });

  test('is 0 where nobody touched it, and a write without a value leaves it', () => {
    expect(valuesOf([a.hostRead(0), a.guestRead(1)])).toEqual([0, 0]);
    expect(valuesOf([a.hostWrite(0, 0, 0xa), a.hostWrite(0), a.guestWrite(0), a.hostRead(0)])).toEqual([0xa]);
  });

  test('is not kept where the world compares none', () => {
    expect(readBy([a.hostWrite(0, 0, 0xa), a.hostRead(0)], { content: 'none' })).toEqual([undefined, undefined]);
  });

  test('reaches nobody by an access that fails', () => {
    expect(readBy([a.guestWrite(0, 0xa), a.toPrivate(0), a.hostWrite(0, 0, 0xb), a.hostRead(0), a.copy(0), a.guestRead(0)]))
      .toEqual([undefined, undefined, 'SIGBUS', 'SIGBUS', 'EFAULT', 0xa]);
  });
});

describe('a conversion', () => {
  const thereAndBack = [a.hostWrite(0, 0, 0xa), a.hostWrite(1, 0, 0xb), a.toPrivate(0), a.guestRead(0), a.guestWrite(0, 0xc), a.toShared(0), a.hostRead(0), a.hostRead(1)];

  test.each([
    ['preserve', [0xa, 0xc, 0xb]],
    ['zero', [0, 0, 0xb]],
    ['scramble', [0xee, 0xee, 0xb]],
  ] as const)('of a platform whose rule is %s, in both directions and of its own pages only', (content, values) => {
    expect(valuesOf(thereAndBack, { content })).toEqual(values);
    expect(valuesOf(thereAndBack, { content, folioOrder: 1 })).toEqual(values);
  });

  test('that is refused, or asks for what is so already, changes none', () => {
    expect(readBy([a.hostWrite(0, 0, 0xa), a.pinLong(0, 0), a.toPrivate(0), a.hostRead(0), a.toShared(0), a.hostRead(0)], { content: 'scramble' }))
      .toEqual([undefined, undefined, 'timed-out', 0xa, undefined, 0xa]);
  });

  test('of a page that has no folio leaves it to be zeroed at its first use', () => {
    expect(valuesOf([a.toPrivate(0), a.guestRead(0)], { content: 'scramble' })).toEqual([0]);
  });
});

describe('a hole', () => {
  test('reads 0 and stays as shared or private as it was', () => {
    expect(readBy([a.hostWrite(0, 0, 0xa), a.punch(0), a.hostRead(0), a.toPrivate(0), a.guestWrite(0, 0xb), a.punch(0), a.hostRead(0), a.guestRead(0)]))
      .toEqual([undefined, undefined, 0, undefined, undefined, undefined, 'SIGBUS', 0]);
  });

  test('leaves to the holder of an orphan what it had', () => {
    const script = [a.hostWrite(0, 0, 0xa), a.pinShort(0, 0), a.punch(0), a.hostWrite(0, 0, 0xb), a.device(0), a.hostRead(0)];
    expect(valuesOf(script)).toEqual([0xa, 0xb]);
    expect(valuesOf(script, { folioOrder: 1 })).toEqual([0xb, 0xb]); // smaller than the folio: nothing leaves the file
  });

  test('that is smaller than a folio is zeroed, and the rest of the folio is not', () => {
    expect(valuesOf([a.hostWrite(0, 0, 0xa), a.hostWrite(1, 0, 0xb), a.punch(0), a.hostRead(0), a.hostRead(1)], { folioOrder: 1 })).toEqual([0, 0xb]);
  });
});

describe('a stale TLB entry', () => {
  test('reads what the frame holds', () => {
    const machine = new Machine({
      policy: policyNamed('sigbus-on-fault'),
      threads: [{ role: 'vmm', accesses: [a.unmap(0, 2)] }, { role: 'vmm', accesses: [a.hostRead(0)] }],
      before: [[0, a.hostRead(0)], [0, { ...a.guestWrite(0), value: 0xa }]],
      shape: { content: 'preserve' },
    });
    while (machine.stepName(0) !== 'tlb.wait') machine.step(0, false);
    machine.step(1, false);
    expect([machine.hasWork(1), machine.world.meter.readValue]).toEqual([false, 0xa]);
  });
});
