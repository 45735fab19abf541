import { describe, expect, test } from 'vitest';
import { flatCosts } from '../../test/tools/flatCosts.ts';
import { Machine } from '../../test/tools/litmusMachine.ts';
import { counts, policyNamed, runScript } from '../../test/tools/runScript.ts';
import type { ScriptOptions } from '../../test/tools/runScript.ts';
import { a } from '../../test/tools/scripted.ts';
import type { ScriptedAccess } from '../../test/tools/scripted.ts';
import { policies } from '../policies/index.ts';
import { buildHost } from './host.ts';
import { OPERATIONS, PHASES } from './operations.ts';
import type { OperationName } from './operations.ts';
import { PLATFORMS, PLATFORM_NAMES } from './platform.ts';
import type { PlatformName } from './platform.ts';
import { step } from './step.ts';

const ADDED: readonly OperationName[] = [
  'hyp.call', 'hyp.unmapHost', 'hyp.mapHost', 'rmp.update', 'rmp.validate', 'sept.block', 'sept.track', 'sept.remove', 'sept.aug', 'sept.accept', 'page.clear',
];
const NEW = ADDED.filter((name) => name !== 'page.clear');

/** What the platform adds to a script, beside what the same script charges without one. */
async function added(accesses: readonly ScriptedAccess[], options: ScriptOptions): Promise<Partial<Record<OperationName, number>>> {
  const bare = counts(await runScript(accesses, { ...options, platform: 'sw-protected' }));
  const paid = counts(await runScript(accesses, options));
  const names = OPERATIONS.map(({ name }) => name).filter((name) => paid[name] !== bare[name]);
  return Object.fromEntries(names.map((name) => [name, (paid[name] ?? 0) - (bare[name] ?? 0)]));
}

describe('a platform', () => {
  // Everything is private at the start, so that each script ends with n pages that changed side, and back.
  const n = 5;
  const toShared = [a.toShared(3, n)];
  const andBack = [...toShared, a.toPrivate(3, n)];

  test.each<{ platform: PlatformName; shared: object; both: object }>([
    { platform: 'sw-protected', shared: {}, both: {} },
    { platform: 'pkvm', shared: { 'hyp.call': n, 'hyp.mapHost': n }, both: { 'hyp.call': 2 * n, 'hyp.mapHost': n, 'hyp.unmapHost': n } },
    { platform: 'snp', shared: { 'rmp.validate': n, 'rmp.update': n }, both: { 'rmp.validate': 2 * n, 'rmp.update': 2 * n } },
    {
      platform: 'tdx',
      shared: { 'sept.block': n, 'sept.track': 1, 'sept.remove': n, 'page.clear': n },
      both: { 'sept.block': n, 'sept.track': 1, 'sept.remove': n, 'page.clear': n, 'sept.aug': n, 'sept.accept': n },
    },
  ])('$platform: n pages in one request cost this, and nothing else of what is charged changes', async ({ platform, shared, both }) => {
    expect(await added(toShared, { platform })).toEqual(shared);
    expect(await added(andBack, { platform })).toEqual(both);
  });

  test('TDX tracks once a request, however it is cut', async () => {
    expect((await added([a.toShared(0, 8)], { platform: 'tdx' }))['sept.track']).toBe(1);
    expect((await added([0, 1, 2, 3, 4, 5, 6, 7].map((page) => a.toShared(page)), { platform: 'tdx' }))['sept.track']).toBe(8);
  });

  test.each(['pkvm', 'snp', 'tdx'] as const)('%s charges pages that change, and none that are in the wanted state', async (platform) => {
    const twice = await added([a.toShared(0, 4), a.toShared(0, 4), a.toPrivate(0, 4), a.toPrivate(0, 4)], { platform });
    expect(twice).toEqual(await added([a.toShared(0, 4), a.toPrivate(0, 4)], { platform }));
    // Pages 2 and 3 are shared already.
    const overlapping = await added([a.toShared(2, 2), a.toShared(0, 4)], { platform });
    expect(overlapping).toEqual(await added([a.toShared(2, 2), a.toShared(0, 2)], { platform }));
  });

  test.each(['pkvm', 'snp', 'tdx'] as const)('%s charges nothing for a refused to-private, whose pages stay shared', async (platform) => {
    const pinned = [a.toShared(0, 2), a.pinLong(0, 0), a.toPrivate(0, 2)];
    expect(await added(pinned, { platform, vmm: 'give-up' })).toEqual(await added([a.toShared(0, 2)], { platform }));
  });

  test('a request beyond the end of the file pays nothing that it does not get', async () => {
    for (const platform of PLATFORM_NAMES) expect(await added([a.toPrivate(15, 2)], { platform, pages: 16 })).toEqual({});
  });

  test.each(policies.filter(({ reference }) => reference !== 'null').map(({ name }) => name))('%s pays the same for it as any other policy', async (policy) => {
    for (const platform of PLATFORM_NAMES) expect(await added(andBack, { platform, policy })).toEqual(await added(andBack, { platform }));
  });

  test('null converts nothing and pays nothing', async () => {
    for (const platform of PLATFORM_NAMES) expect(await added(andBack, { platform, policy: 'null' })).toEqual({});
  });

  test('a donation pays what a request pays: n first touches, n times one page', async () => {
    const touches = Array.from({ length: n }, (_, page) => a.guestWrite(page));
    expect(await added(touches, { platform: 'pkvm', conversion: 'lazy' })).toEqual({ 'hyp.call': n, 'hyp.unmapHost': n });
    expect(await added(touches, { platform: 'snp', conversion: 'lazy' })).toEqual({ 'rmp.update': n, 'rmp.validate': n });
    expect(await added(touches, { platform: 'tdx', conversion: 'lazy' })).toEqual({ 'sept.aug': n, 'sept.accept': n });
  });

  test('what it adds is a part of the latency, and of the phase stage2', async () => {
    const costs = flatCosts();
    const bare = await runScript(andBack, { costs });
    const paid = await runScript(andBack, { costs, platform: 'snp' });
    expect(paid.tally.latencyNs.toPrivate.totalNs - bare.tally.latencyNs.toPrivate.totalNs).toBe(2 * n);
    expect(paid.tally.latencyNs.toShared.totalNs - bare.tally.latencyNs.toShared.totalNs).toBe(2 * n);
    const stage2 = PHASES.indexOf('stage2');
    expect(paid.tally.conversions.toPrivate.phasesNs[stage2] - bare.tally.conversions.toPrivate.phasesNs[stage2]).toBe(2 * n);
    // RMPUPDATE of a to-private is KVM's answer to a fault of the guest, later than the ioctl; that of a to-shared is in it.
    expect(paid.tally.latencyNs.kernel.totalNs - bare.tally.latencyNs.kernel.totalNs).toBe(n);
  });

  test('every operation that is a platform\'s is charged by one of them', () => {
    const named = Object.values(PLATFORMS).flatMap(({ host, guest }) => [host.toPrivate, host.toShared, guest.rescind, guest.accept].flatMap(({ request = [], page = [] }) => [...request, ...page]));
    expect([...new Set(named)].sort()).toEqual([...ADDED].sort());
    expect(NEW).toEqual(OPERATIONS.map(({ name }) => name).filter((name) => /^(?:hyp|rmp|sept)\./.test(name)));
  });
});

describe('the steps of a platform', () => {
  const rules = policyNamed('sigbus-on-fault').rules({ check: 'refcount' });
  const programOf = (platform: PlatformName) => buildHost(rules, { lazy: false, platform }).program;
  const placesOf = (platform: PlatformName) => {
    const { names, routineNames } = programOf(platform);
    return names.flatMap((name, at) => (/^(?:arch|guest)\.(?:convert|rescind|accept)$/.test(name) ? [`${routineNames[at]}: ${names[at - 1]}, ${name}, ${names[at + 1]}`] : []));
  };

  test('stand where it does its part', () => {
    expect(placesOf('pkvm')).toEqual(['toPrivate: mmuLock.unlock, arch.convert, state.store', 'toShared: mmuLock.unlock, arch.convert, state.store']);
    const guests = ['convertRequest: ioctl.leave, guest.accept, request.end'];
    expect(placesOf('tdx')).toEqual(['toPrivate: mmuLock.unlock, arch.convert, state.store', 'toShared: mmuLock.unlock, arch.convert, state.store', ...guests]);
    expect(placesOf('snp')).toEqual([
      'toPrivate: mmuLock.unlock, arch.convert, state.store', 'toShared: mmuLock.unlock, arch.convert, state.store', 'convertRequest: request.begin, guest.rescind, user.exit', ...guests,
    ]);
  });

  test('are none on sw-protected: the program is the one of a world that says nothing', () => {
    const { names, routineNames, otherwise, callee, marks } = buildHost(rules, { lazy: false }).program;
    expect(placesOf('sw-protected')).toEqual([]);
    expect(programOf('sw-protected')).toMatchObject({ names, routineNames, otherwise, callee, marks });
  });

  test('need a store to stand before', () => {
    const renamed = rules.toPrivate.map((one) => (one.name === 'state.store' ? step('commit', one.run) : one));
    expect(() => buildHost({ ...rules, toPrivate: renamed }, { lazy: false, platform: 'pkvm' })).toThrow('a to-private has no place for what it pays on pkvm');
    expect(() => buildHost({ ...rules, toPrivate: renamed }, { lazy: false, platform: 'sw-protected' })).not.toThrow();
  });
});

describe('the content rule of a platform', () => {
  /** What the guest reads of a page that it wrote, after each conversion of a round trip. */
  function roundTrip(platform: PlatformName): readonly number[] {
    const machine = new Machine({ policy: policyNamed('sigbus-on-fault'), threads: [{ accesses: [] }], shape: { pages: 1, initShared: false, content: PLATFORMS[platform].content, platform } });
    const read = (): number => {
      machine.world.meter.readValue = -1;
      machine.runAlone(0, a.guestRead(0));
      return machine.world.meter.readValue;
    };
    machine.runAlone(0, { ...a.guestWrite(0), value: 0x42 });
    const before = read();
    machine.runAlone(0, a.toShared(0));
    const shared = read();
    machine.runAlone(0, a.toPrivate(0));
    return [before, shared, read()];
  }

  test.each([
    ['sw-protected', [0x42, 0x42, 0x42]],
    ['pkvm', [0x42, 0x42, 0x42]],
    ['snp', [0x42, 0xee, 0xee]],
    ['tdx', [0x42, 0, 0]],
  ] as const)('of %s: what the guest wrote, reads shared, and reads private again, is %j', (platform, expected) => {
    expect(roundTrip(platform)).toEqual(expected);
  });
});

describe('rogue accesses', () => {
  // Mapping counts alone do not see the pin: the device writes to a private page.
  const rogue = [a.toShared(0), a.pinLong(0, 0), a.toPrivate(0), a.device(0), a.device(0)];

  test.each(['pkvm', 'snp', 'tdx'] as const)('on %s are followed by what becomes of them', async (platform) => {
    const { notes } = await runScript(rogue, { platform, check: 'mapcount' });
    expect(notes).toEqual([`2 rogue accesses on ${platform}: ${PLATFORMS[platform].rogue}`]);
  });

  test('are followed by nothing where nothing happens, and where there are none', async () => {
    expect((await runScript(rogue, { check: 'mapcount' })).notes).toEqual([]);
    expect((await runScript(rogue, { platform: 'snp', check: 'refcount', vmm: 'give-up' })).notes).toEqual([]);
  });
});
