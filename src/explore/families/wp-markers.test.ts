import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { wpMarkerPolicies } from '../../policies/wp-markers/index.ts';
import { wrongWpPolicies } from '../../policies/wp-markers/wrong.ts';
import { checkLitmus } from '../checkLitmus.ts';
import { readLitmus } from '../parseLitmus.ts';
import type { Counterexample, Verdict } from '../verdict.ts';
import { wpMarkers } from './wp-markers.ts';

const FOLDER = new URL('../../../litmus/wp-markers/', import.meta.url);
const read = (text: string, name = 'x') => readLitmus(text, `${name}.litmus.yaml`).litmus;
const file = (name: string) => read(readFileSync(new URL(`${name}.litmus.yaml`, FOLDER), 'utf8'), name);
const litmusOf = (...lines: readonly string[]) => read(['name: x', 'question: What comes of it?', 'source: a test', 'family: wp-markers', ...lines, "expect: { '*': proved }", ''].join('\n'));

function check(litmus: ReturnType<typeof read>, name: string): Verdict {
  const policy = [...wpMarkerPolicies, ...wrongWpPolicies].find((one) => one.name === name);
  if (policy === undefined) throw new Error(`no policy ${name}`);
  return checkLitmus({ litmus, policy, check: undefined });
}

const complaintOf = (...lines: readonly string[]): string => {
  try {
    litmusOf(...lines);
  } catch (error) {
    return String((error as Error).message);
  }
  return 'none';
};

/** What each thread did that others can see, in order. */
const toldOf = ({ steps }: Counterexample): readonly string[] => steps.flatMap(({ changes }) => changes);

describe('the verdicts of the mails', () => {
  test('a page that is reclaimed loses its protection under drop, and the write is told to nobody', () => {
    const { verdict, counterexample } = check(file('reclaim-against-write'), 'drop');
    expect([verdict, counterexample?.rule]).toEqual(['broken', 'no-lost-write']);
    const told = toldOf(counterexample as Counterexample);
    for (const line of ['entry of page 0: empty', 'page 0 leaves the page cache', 'page 0 is in swap', 'page 0 enters the page cache', 'entry of page 0: mapped, writable']) expect(told).toContain(line);
  });

  test.each(['pte-marker', 'protnone-zero-page'])('%s keeps it, in every interleaving', (name) => {
    expect(check(file('reclaim-against-write'), name)).toMatchObject({ verdict: 'proved', exhaustive: true });
  });

  test.each([
    ['drop', 'proved'],
    ['drop-around', 'broken'],
    ['punch-drops-first', 'broken'],
  ])('a hole that is punched next to a reader: %s is %s', (name, verdict) => {
    expect(check(file('punch-against-fault-around'), name).verdict).toBe(verdict);
  });

  test('the schedule is that of the thread: unmapped, mapped by the neighbour, written', () => {
    const { counterexample } = check(file('punch-against-fault-around'), 'drop-around');
    const told = toldOf(counterexample as Counterexample).filter((line) => /^faults in|entry of/.test(line) && !/TLB/.test(line));
    expect(told).toEqual(['faults in page 0 wait from here on', 'entry of page 0: empty', 'entry of page 0: mapped, writable']);
  });

  test.each([['marker-later', 'zap-against-fault'], ['fork-skips', 'fork-with-events']])('%s, wrong on purpose, is caught by %s', (name, caughtBy) => {
    expect(check(file(caughtBy), name)).toMatchObject({ verdict: 'broken', counterexample: { rule: 'no-lost-write' } });
  });
});

describe('a scene of shmem', () => {
  test('says what it is', () => {
    expect(check(litmusOf('world: { pages: 1, fault-around: 2, faults: async }', 'threads: { app: [read 0] }'), 'drop').world).toBe(
      '1 page of shmem, 1 CPU, 1 process, faults map 2 pages around, the kernel resolves faults',
    );
    expect(check(litmusOf('world: { memory: anonymous, monitor: false }', 'threads: { app: [read 0], other: [read 1] }'), 'drop').world).toBe(
      '2 pages of anonymous memory, 2 CPUs, 1 process, no fault-around, nobody resolves faults but the threads',
    );
  });

  test('begins with holes where the file says so, and with pages in the page cache', () => {
    const litmus = litmusOf('world: { pages: 2, file: [hole, cached] }', 'threads: { app: [reclaim 0..1 => OK, read 0 => 0, write 1 9, read 1 => 9] }');
    expect(check(litmus, 'pte-marker').verdict).toBe('proved');
  });

  test('has a monitor that is told of by its name', () => {
    const litmus = litmusOf('world: { pages: 1 }', 'before: [app: read 0, app: wp 0]', 'threads: { app: [write 0] }', "never: ['app.1 => OK']");
    const { counterexample } = check(litmus, 'pte-marker');
    expect((counterexample as Counterexample).threads).toContain('monitor');
    const told = toldOf(counterexample as Counterexample);
    for (const line of ['a write to page 0 is told to the monitor', 'reads the event of app', 'app need not wait any more', 'entry of page 0: mapped, writable']) expect(told).toContain(line);
  });

  test('leaves a writer asleep for ever where nobody resolves faults', () => {
    const litmus = litmusOf('world: { pages: 1, monitor: false }', 'before: [app: read 0, app: wp 0]', 'threads: { app: [write 0] }');
    expect(check(litmus, 'pte-marker')).toMatchObject({ verdict: 'stuck', counterexample: { what: 'app waits at userfault.sleep' } });
  });

  test('misses the write of a page that was reclaimed before the scan, under every policy', () => {
    const litmus = litmusOf('world: { pages: 1, faults: async }', 'threads: { app: [read 0, wp 0, write 0, reclaim 0, scan 0] }');
    for (const name of ['pte-marker', 'protnone-zero-page', 'drop']) expect(check(litmus, name)).toMatchObject({ verdict: 'broken', counterexample: { rule: 'no-missed-write', what: 'a scan left out a page that was written' } });
  });

  test('tells births, pins, hints, migrations and swapped content', () => {
    const litmus = litmusOf(
      'world: { pages: 1 }',
      'threads: { app: [write 0 5, wp 0, pin 0 as a, unpin a, numa-scan 0, read 0 => 5, migrate 0 => OK, reclaim 0 => OK, fork child events], child: { process: 1, do: [exit] } }',
      "never: ['child.1 => OK']",
    );
    const kept = (name: string) => toldOf(check(litmus, name).counterexample as Counterexample);
    const told = kept('pte-marker');
    for (const line of [
      'page 0 holds 5', 'buffer a pinned', 'buffer a dropped', 'entry of page 0 in process 0: a NUMA hint, write-protected', 'entry of page 0 in process 0: a migration entry, write-protected',
      'page 0 moves to another frame', 'entry of page 0 in process 0: a marker', 'entry of page 0 in process 1: a marker', 'process 1 begins', 'process 1 is gone',
    ]) expect(told).toContain(line);
    expect(kept('protnone-zero-page')).toContain('entry of page 0 in process 0: PROTNONE of the zero page, write-protected');
  });
});

describe('a file of wp-markers', () => {
  test.each([
    ['a window of faults that is no power of two', ['world: { pages: 4, fault-around: 3 }', 'threads: { app: [read 0] }'], '`fault-around` is 3'],
    ['a file of other pages', ['world: { pages: 2, file: [hole] }', 'threads: { app: [read 0] }'], '`file` lists 1 pages'],
    ['a page that is neither cached nor a hole', ['world: { pages: 1, file: swapped }', 'threads: { app: [read 0] }'], 'swapped'],
    ['a fork of anonymous memory', ['world: { memory: anonymous }', 'threads: { app: [fork child], child: { process: 1, do: [read 0] } }'], '"fork child" is not for anonymous memory'],
    ['a fork of nobody', ['threads: { app: [fork nobody] }'], 'nobody'],
  ])('is refused for %s', (_, lines, complaint) => expect(complaintOf(...lines)).toContain(complaint));

  test('has an example of each operation, which is one', () => {
    for (const { example = '', words } of wpMarkers.grammar.operations) {
      const threads = `threads: { app: [${words === 'unpin' ? 'pin 0 as a, ' : ''}${example}], child: { process: 1, do: [exit] } }`;
      expect([words, complaintOf('world: { pages: 2 }', threads)]).toEqual([words, 'none']);
    }
  });
});
