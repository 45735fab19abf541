/**
 * The families beside conversions: what each of their litmus files is made of, the answers of their debates, and what their steps promise.
 *
 * That every file gives the verdict which it expects is asked of the program itself (test/explore.test.ts), and that marks are true and
 * reductions change nothing where it is asked of all families (test/marks.test.ts, test/reductions.test.ts).
 */
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { checkLitmus } from '../src/explore/checkLitmus.ts';
import { families } from '../src/explore/families/index.ts';
import { explorableOf } from '../src/explore/family.ts';
import type { ExploredFamily } from '../src/explore/family.ts';
import type { AnyLitmus } from '../src/explore/litmus.ts';
import { Machine } from '../src/explore/machine.ts';
import { search } from '../src/explore/search.ts';
import { NO_REDUCTIONS } from '../src/explore/verdict.ts';
import type { Verdict } from '../src/explore/verdict.ts';
import { familyFile } from '../src/harness/sources.ts';
import type { TaskWorld } from '../src/model/taskWorld.ts';
import { anyCellsOf, filesOf, otherFamilies, otherFiles } from './tools/library.ts';

const known = <T>(found: T | undefined, what: string): T => {
  if (found === undefined) throw new Error(`no ${what}`);
  return found;
};

const named = <T extends { readonly name: string }>(all: readonly T[]) => all.map((one) => ({ name: one.name, one }));

const familyNamed = (name: string): ExploredFamily => known(otherFamilies.find((family) => family.name === name), `family ${name}`);

/** What comes of a file under a policy of its family. */
function verdictOf(family: string, file: string, policy: string): Verdict {
  const litmus = known(filesOf(familyNamed(family)).find(({ name }) => name === file), `file ${file}`);
  return checkLitmus({ litmus, policy: known(explorableOf(litmus.family).find(({ name }) => name === policy), `policy ${policy}`), check: undefined });
}

/** Cells of a family in which this is expected of policies that ship, as "file policy". */
const expectedOf = (family: string, verdict: Verdict['verdict']): readonly string[] =>
  filesOf(familyNamed(family)).flatMap((litmus: AnyLitmus) =>
    anyCellsOf(litmus)
      .filter(({ policy }) => litmus.family.policies.includes(policy) && litmus.expectation(policy.name, undefined)?.verdict === verdict)
      .map(({ policy }) => `${litmus.name} ${policy.name}`));

const policiesIn = (cells: readonly string[]): readonly string[] => [...new Set(cells.map((cell) => cell.split(' ')[1]))];

describe('families', () => {
  test('have policies by names of their own, and a file each from which their verdicts follow', () => {
    const names = families.flatMap((family) => explorableOf(family).map(({ name }) => name));
    expect(names.filter((name, at) => names.indexOf(name) < at)).toEqual([]);
    expect(families.map(({ name }) => [name, existsSync(familyFile(name))])).toEqual(families.map(({ name }) => [name, true]));
    for (const { name, policies, wrongPolicies } of families) expect(new Set([...policies, ...wrongPolicies].map(({ family }) => family))).toEqual(new Set([name]));
  });
});

describe('each file of another family', () => {
  test.each(named(otherFiles()))('$name is named as its file, asks a question, and names a source that anybody can look up', ({ one: { question, source } }) => {
    expect(question).toMatch(/\w.*[?.]$/);
    expect(source).toMatch(/\b[\w/-]+\/[\w.-]+\.(?:c|h|rst)\b/);
  });

  test('expects something of every cell that a run explores', () => {
    const silent = otherFiles().flatMap((litmus) => anyCellsOf(litmus).filter(({ policy }) => litmus.expectation(policy.name, undefined) === undefined).map(({ policy }) => `${litmus.name} ${policy.name}`));
    expect(silent).toEqual([]);
  });

  test.each(named(otherFamilies))('of $name that is expected to be broken or to differ is so for the right policies', ({ one: { name } }) => {
    const unsafe = policiesIn(expectedOf(name, 'broken'));
    expect(unsafe).toEqual({ unsharing: ['ignore-and-pin'], 'wp-markers': expect.arrayContaining(['drop', 'drop-around']) }[name]);
    expect(unsafe.filter((policy) => ['fail-to-pin', 'unshare-and-pin', 'pte-marker', 'protnone-zero-page'].includes(policy))).toEqual([]);
    expect([...expectedOf(name, 'stuck'), ...expectedOf(name, 'bounded')]).toEqual([]);
  });

  test.each(otherFamilies.flatMap((family) => family.wrongPolicies.map((policy) => ({ name: policy.name, family }))))('catches $name, which is wrong on purpose', ({ name, family }) => {
    const catching = filesOf(family).filter((litmus) => litmus.policies?.includes(name) === true && litmus.expectation(name, undefined)?.verdict === 'broken');
    expect(catching.length).toBeGreaterThan(0);
  });
});

describe('what the debate on unsharing knows', () => {
  test('who ignores that a page may be shared loses the page of the pin at the next write; who fails refuses; who unshares keeps it', () => {
    const { verdict, counterexample } = verdictOf('unsharing', 'pin-after-fork', 'ignore-and-pin');
    expect([verdict, counterexample?.rule, counterexample?.what]).toEqual(['broken', 'pin-is-the-page', 'page 0 is frame 2, and the pin holds frame 1']);
    expect(verdictOf('unsharing', 'pin-after-fork', 'fail-to-pin').verdict).toBe('refuses');
    expect(verdictOf('unsharing', 'pin-after-fork', 'unshare-and-pin').verdict).toBe('proved');
  });

  test('hugetlb fails the two scenarios of vmsplice that the selftest expects it to fail, and says why', () => {
    const differing = expectedOf('unsharing', 'differs');
    expect([...new Set(differing.map((cell) => cell.split(' ')[0]))]).toEqual(['cw-2-hugetlb', 'cw-3-hugetlb']);
    for (const file of ['cw-2-hugetlb', 'cw-3-hugetlb']) {
      const { verdict, because, counterexample } = verdictOf('unsharing', file, 'unshare-and-pin');
      expect([verdict, counterexample?.rule]).toEqual(['differs', 'expected']);
      expect(because).toContain('an expected failure of the selftest');
    }
  });
});

describe('what the debate on write-protection knows', () => {
  test('a zap that drops the bit loses a write that the monitor never sees; a marker and the zero page behind PROTNONE keep it', () => {
    const { verdict, counterexample } = verdictOf('wp-markers', 'reclaim-against-write', 'drop');
    expect([verdict, counterexample?.rule]).toEqual(['broken', 'no-lost-write']);
    expect(['pte-marker', 'protnone-zero-page'].map((policy) => verdictOf('wp-markers', 'reclaim-against-write', policy).verdict)).toEqual(['proved', 'proved']);
  });

  test('fault-around into an armed range loses data behind a hole punch that unmaps first and truncates page by page', () => {
    const { verdict, counterexample } = verdictOf('wp-markers', 'punch-against-fault-around', 'drop-around');
    expect([verdict, counterexample?.rule]).toEqual(['broken', 'no-lost-write']);
    const begun = counterexample?.steps.flatMap(({ begins = [] }) => begins);
    // The write begins at the flush of the hole, and goes through the entry that the neighbour's fault has set meanwhile.
    expect(begun).toEqual(['punch 0', 'write 0', 'read 1']);
    expect(verdictOf('wp-markers', 'punch-against-fault-around', 'drop').verdict).toBe('proved');
  });
});

/* ---- what steps promise ---- */

/** Larger files are asked as far as this: what is promised is promised of every step by itself. */
const STATES_MAX = 300;

describe('a step of another family', () => {
  test.each(named(otherFamilies))('of $name changes nothing where it waits, does the same to the same state, and fits its columns', ({ one: family }) => {
    const found: string[] = [];
    const ofRules = new Set(family.sentences.map(({ name }) => name));
    for (const litmus of filesOf(family)) {
      for (const cell of anyCellsOf(litmus)) {
        const machine = new Machine<TaskWorld>({ ...cell, reductions: NO_REDUCTIONS, keepResults: false });
        const { result: { broken } } = search({ machine, reductions: NO_REDUCTIONS, statesMax: STATES_MAX, suspicious: true });
        // Whether a policy is safe is for the files' own expectations.
        if (broken !== undefined && (!ofRules.has(broken.rule) || broken.rule === 'kernel-arithmetic')) found.push(`${litmus.name} ${cell.policy.name}: ${broken.rule} ${broken.what}`);
      }
    }
    expect(found).toEqual([]);
  });
});
