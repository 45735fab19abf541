import { describe, expect, test } from 'vitest';
import { Machine } from '../../test/tools/litmusMachine.ts';
import { policyNamed } from '../../test/tools/runScript.ts';
import { a } from '../../test/tools/scripted.ts';
import type { ScriptedAccess } from '../../test/tools/scripted.ts';
import { ERRNOS } from './errno.ts';
import type { HostRules } from './host.ts';
import type { Shape } from './shape.ts';

const pages = 4;

/** What the ioctl of the last access answered: "EAGAIN at 2". */
function answer(accesses: readonly ScriptedAccess[], { policy = 'sigbus-on-fault', vmm, ...shape }: Partial<Shape> & { readonly policy?: string; readonly vmm?: HostRules['vmm'] } = {}): string {
  const base = policyNamed(policy);
  // A VMM that does nothing before it asks, so that the kernel has a reason to refuse.
  const changed = vmm === undefined ? base : { ...base, rules: (options: Parameters<typeof base.rules>[0]) => ({ ...base.rules(options), vmm }) };
  const machine = new Machine({ policy: changed, threads: [{ accesses: [] }], shape: { pages, slotPages: pages, slots: 2, ...shape } });
  const { meter } = machine.world;
  for (const access of accesses) {
    meter.convertErrno = 0;
    meter.errorPage = -1;
    machine.runAlone(0, access);
  }
  return meter.errorPage < 0 ? ERRNOS[meter.convertErrno] : `${ERRNOS[meter.convertErrno]} at ${meter.errorPage}`;
}

describe('the ioctl of a conversion', () => {
  test('says nothing where it succeeds, and where it has nothing to do', () => {
    expect(answer([a.toPrivate(0, 4)])).toBe('OK');
    expect(answer([a.pinLong(0, 2), a.toPrivate(2), a.toShared(2)])).toBe('OK');
  });

  test('says at which page it met a reference: the first', () => {
    expect(answer([a.pinLong(0, 2), a.toPrivate(0, 4)])).toBe('EAGAIN at 2');
    expect(answer([a.pinLong(0, 3), a.pinLong(1, 1), a.toPrivate(0, 4)])).toBe('EAGAIN at 1');
    expect(answer([a.pinLong(0, 0), a.toPrivate(0, 4)])).toBe('EAGAIN at 0');
  });

  test('says where the bad folio begins, but no page before the range', () => {
    expect(answer([a.pinLong(0, 3), a.toPrivate(0, 4)], { folioOrder: 1 })).toBe('EAGAIN at 2');
    expect(answer([a.pinLong(0, 2), a.toPrivate(3)], { folioOrder: 1 })).toBe('EAGAIN at 3');
  });

  test.each([['folio-mmapped', 'EPERM'], ['refuse-mmap', 'EBUSY']])('of %s says the start of the range where a VMA is in the way', (policy, errno) => {
    expect(answer([a.hostWrite(3), a.toPrivate(1, 3)], { policy, vmm: {} })).toBe(`${errno} at 1`);
  });

  test('of folio-mmapped says it whatever the dance of its VMM leaves before and after it', () => {
    expect(answer([a.hostWrite(3), a.pinLong(0, 3), a.toPrivate(1, 3)], { policy: 'folio-mmapped' })).toBe('EAGAIN at 3');
    expect(answer([a.hostWrite(0), a.pinLong(0, 0), a.toPrivate(0), a.unpin(0), a.hostWrite(3), a.pinLong(0, 3), a.toPrivate(2, 2)], { policy: 'folio-mmapped' })).toBe('EAGAIN at 3');
  });

  test('does not say where an argument is wrong', () => {
    expect(answer([a.toPrivate(3, 2)])).toBe('EINVAL');
  });
});
