import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { flatCosts } from '../../../test/tools/flatCosts.ts';
import { counts, policyNamed, runScript } from '../../../test/tools/runScript.ts';
import { a } from '../../../test/tools/scripted.ts';
import type { ScriptedAccess } from '../../../test/tools/scripted.ts';
import { checkLitmus } from '../../explore/checkLitmus.ts';
import { parseLitmus } from '../../explore/parseLitmus.ts';
import { Errno } from '../../model/errno.ts';
import { cacheReferences, folioMapcount } from '../../model/folios.ts';
import { Flow } from '../../model/step.ts';
import type { Run, Step } from '../../model/step.ts';
import type { ConversionPolicy } from '../policy.ts';
import { withStep, withoutStep } from '../wrong/steps.ts';

const policy = 'read-only-shared';
const range = (length: number): readonly number[] => Array.from({ length }, (_, at) => at);
const sharedAndWritten = (pages: number, vmas: number): readonly ScriptedAccess[] => [
  a.toShared(0, pages),
  ...range(vmas).flatMap((window) => range(pages).map((page) => a.hostWrite(page, window))),
];

describe('read-only-shared', () => {
  test.each([
    { pages: 1, vmas: 1 },
    { pages: 8, vmas: 16 },
    { pages: 3, vmas: 256 },
    { pages: 1025, vmas: 2 },
  ])('N = $pages pages in one request under V = $vmas VMAs: one walk, V visits, N x V entries protected where they stand, V flushes', async ({ pages, vmas }) => {
    const script = [...sharedAndWritten(pages, vmas), a.toReadOnly(0, pages), a.toShared(0, pages)];
    // New folios sit in LRU batches: the first way down drains them.
    const again = range(vmas).flatMap((window) => range(pages).map((page) => a.hostWrite(page, window)));
    const [base, all] = [counts(await runScript([...script, ...again], { policy, vmas })), counts(await runScript([...script, ...again, a.toReadOnly(0, pages)], { policy, vmas }))];
    const added = (name: keyof typeof all): number => (all[name] ?? 0) - (base[name] ?? 0);
    expect(added('rmap.walk')).toBe(1);
    expect(added('vma.visit')).toBe(vmas);
    expect(added('pte.set')).toBe(pages * vmas);
    expect(added('tlb.flush')).toBe(vmas);
    expect(added('pte.zap')).toBe(0);
    expect(added('folio.readRef')).toBe(pages);
    expect(added('lock.folio')).toBe(pages);
    expect(added('state.store')).toBe(1);
    expect(added('stage2.zap')).toBe(0);
  });

  test('nothing is flushed where every entry is write-protected already', async () => {
    const counted = counts(await runScript([a.toShared(0), a.hostRead(0), a.toReadOnly(0)], { policy }));
    expect(counted['tlb.flush']).toBeUndefined();
    expect(counted['pte.set']).toBe(1);
  });

  test('a read fault installs an entry that the first write faults at, and no later one', async () => {
    const counted = counts(await runScript([a.toShared(0), a.hostRead(0), a.hostWrite(0), a.hostWrite(0), a.toShared(1), a.hostWrite(1), a.hostRead(1)], { policy }));
    expect(counted).toMatchObject({ 'host.fault': 3, 'host.access': 5, 'pte.set': 3 });
  });

  test('readers go on through their entries, a writer gets SIGBUS and GUP for writing EFAULT, until the page is shared again', async () => {
    const script = [...sharedAndWritten(1, 1), a.toReadOnly(0), a.hostRead(0), a.hostWrite(0), a.pinShort(0, 0), a.io(0), a.copy(0), a.toShared(0), a.hostWrite(0)];
    const { tally } = await runScript(script, { policy });
    const counted = counts({ tally, notes: [] });
    expect(counted).toMatchObject({ 'signal.SIGBUS': 1, 'host.access': 3 });
    expect(tally.errors.gup[Errno.EFAULT]).toBe(3);
    expect(tally.conversions.toShared).toMatchObject({ requested: 3, succeeded: 3 });
    expect(counted['access.rogue']).toBeUndefined();
    expect(counted['access.exposed']).toBeUndefined();
  });

  test('any reference that is no mapping\'s refuses the way down, and leaves the page as it was', async () => {
    for (const hold of [a.pinShort(0, 0), a.pinLong(0, 0), a.splice(0, 0)]) {
      const { tally } = await runScript([a.toShared(0), a.hostWrite(0), hold, a.toReadOnly(0), a.hostWrite(0)], { policy, costs: flatCosts(0) });
      const { toShared } = tally.conversions;
      expect(toShared).toMatchObject({ succeeded: 1, timedOut: 1, retries: 105 });
      expect(tally.errors.convert[Errno.EAGAIN]).toBe(106);
      expect(counts({ tally, notes: [] })).toMatchObject({ 'host.access': 2, 'refused.ownPin': 106 });
    }
  });

  test('a page that is private is no page to make read-only: EINVAL', async () => {
    const { tally } = await runScript([a.toShared(0), a.toReadOnly(0, 2)], { policy });
    expect(tally.conversions.toShared).toMatchObject({ succeeded: 1, gaveUp: 1 });
    expect(tally.errors.convert[Errno.EINVAL]).toBe(1);
  });

  test('no other policy knows of it: EINVAL', async () => {
    for (const other of ['sigbus-on-fault', 'exclusive-pin', 'null']) {
      expect(counts(await runScript([a.toShared(0), a.toReadOnly(0)], { policy: other }))).toMatchObject({ 'access.failed': 1 });
    }
  });
});

describe('the way down to read-only', () => {
  const right = policyNamed(policy);
  const changed = (change: (steps: readonly Step[]) => readonly Step[]): ConversionPolicy => ({
    ...right,
    rules: (options) => {
      const rules = right.rules(options);
      return { ...rules, toReadOnly: change(rules.toReadOnly ?? []) };
    },
  });
  const found = (file: string, one: ConversionPolicy) => {
    const path = `litmus/conversion/${file}.litmus.yaml`;
    const { verdict, counterexample } = checkLitmus({ litmus: parseLitmus(readFileSync(path, 'utf8'), path), policy: one, check: 'refcount' });
    return `${verdict}: ${counterexample?.what ?? ''}`;
  };
  const WRITABLE = 'broken: page 0 is read-only for the host, which can write it';

  test('is broken by a fault in flight where it does not wait for the folio lock', () => {
    expect(found('read-only-against-writers', changed((steps) => withoutStep(steps, 'folio.wait')))).toBe(WRITABLE);
  });

  test('is broken by a pin where it does not count', () => {
    expect(found('read-only-against-writers', changed((steps) => withoutStep(steps, 'folio.readMapcount')))).toBe(WRITABLE);
  });

  test('is broken by what is mapped where it protects nothing', () => {
    expect(found('read-only-against-writers', changed((steps) => withStep(steps, 'pte.protect', (world, task) => {
      world.walkCursor[task] = world.walkEnd[task];
      return Flow.Next;
    })))).toBe(WRITABLE);
  });

  test('is broken by a get where it reads the mapping count first: a mapping that goes in between hides it', () => {
    const mapcountFirst: Run = (world, task) => {
      world.reading[task] = folioMapcount(world, world.cursor[task]);
      return Flow.Next;
    };
    const compareCount: Run = (world, task) => {
      const mappings = world.reading[task];
      world.reading[task] = 0;
      return world.refcount[world.cursor[task]] === cacheReferences(world, 0) + 1 + mappings ? Flow.Next : Flow.Otherwise;
    };
    expect(found('read-only-against-munmap', changed((steps) => withStep(withStep(steps, 'folio.readRef', mapcountFirst), 'folio.readMapcount', compareCount)))).toBe(WRITABLE);
    expect(found('read-only-against-munmap', right)).toBe('proved: ');
  });
});
