import { describe, expect, test } from 'vitest';
import { Machine } from '../../test/tools/litmusMachine.ts';
import type { Litmus } from '../../test/tools/litmusMachine.ts';
import { policyNamed } from '../../test/tools/runScript.ts';
import { a } from '../../test/tools/scripted.ts';
import { PageBit } from './file.ts';
import { WAYS, openWays } from './exposure.ts';

const letters = ({ world, host }: Machine, page: number): string => openWays(world, host.program, page).map(({ letter }) => letter).join('');

/** Steps the only thread, and tells the open ways to page 0 before each of the named steps when it first comes. */
function waysBefore(litmus: Pick<Litmus, 'before' | 'shape'> & { readonly access: ReturnType<typeof a.fork> }, names: readonly string[]): Readonly<Record<string, string>> {
  const { access, before = [], shape = {} } = litmus;
  const machine = new Machine({ policy: policyNamed('sigbus-on-fault'), threads: [{ role: 'vmm', accesses: [access] }], before, shape });
  const seen: Record<string, string> = {};
  while (machine.hasWork(0)) {
    const name = machine.stepName(0);
    if (names.includes(name)) seen[name] ??= letters(machine, 0);
    machine.step(0, false);
  }
  return { ...seen, end: letters(machine, 0) };
}

describe('the ways to the data of a page', () => {
  test('have the letters of the safety property', () => {
    expect(WAYS.map(({ letter }) => letter).join('')).toBe('abcdef');
  });

  test('are a fault in flight from its look at the shareability on, and the entry after it', () => {
    const names = ['invalidate.readLock', 'state.read', 'folio.lookupGet', 'folio.lock', 'ptl.lock', 'pte.set', 'ptl.unlock'];
    expect(waysBefore({ access: a.hostWrite(0) }, names)).toEqual({
      'invalidate.readLock': '', 'state.read': '', 'folio.lookupGet': 'e', 'folio.lock': 'e', 'ptl.lock': 'e', 'pte.set': 'e', 'ptl.unlock': 'a', end: 'a',
    });
  });

  test('are a stale TLB entry until the flush is over', () => {
    const names = ['pte.clear', 'rmap.remove', 'tlb.send', 'tlb.wait', 'gather.put'];
    expect(waysBefore({ before: [[0, a.hostRead(0)]], access: a.unmap(0, 2) }, names)).toEqual({
      'pte.clear': 'a', 'rmap.remove': 'b', 'tlb.send': 'b', 'tlb.wait': 'b', 'gather.put': '', end: '',
    });
  });

  test('are a GUP in flight once it has seen the entry twice, then the reference that it took', () => {
    const names = ['pte.read', 'folio.addPin', 'pte.reread', 'irq.on', 'ready'];
    expect(waysBefore({ before: [[0, a.hostRead(0)]], access: a.pinShort(0, 0) }, names)).toEqual({
      'pte.read': 'a', 'folio.addPin': 'a', 'pte.reread': 'a', 'irq.on': 'ad', ready: 'ac', end: 'ac',
    });
  });

  test('are no longer what holds an orphan', () => {
    expect(waysBefore({ before: [[0, a.pinShort(0, 0)]], access: a.punch(0) }, ['pageCache.remove'])).toEqual({ 'pageCache.remove': 'c', end: '' });
  });

  test('are the entry of a secondary MMU', () => {
    const machine = new Machine({ policy: policyNamed('sigbus-on-fault'), threads: [{ accesses: [] }] });
    machine.world.pageState[1] |= PageBit.Secondary;
    expect([letters(machine, 0), letters(machine, 1)]).toEqual(['', 'f']);
  });
});
