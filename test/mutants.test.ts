/**
 * What the library of litmus files can see of a policy's order of steps: the committed list of mutants is of today's policies, each
 * survivor has its reason, and a sample has the fate that the list says. `npm run mutants` makes the whole list again.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { DEFAULT_CHECK } from '../src/policies/policy.ts';
import { allMutants, exploreUnmutated, fateOf, formatMutants, mutantName, mutate, policyNamed, readLibrary, type Fate, type Mutant, type MutantsRecord } from './tools/mutation.ts';
import { complaintsAbout, reasonsFor } from './tools/survivors.ts';

const text = readFileSync('results/mutants.json', 'utf8');
const { mutants, leftOut } = JSON.parse(text) as MutantsRecord;
const survivors = mutants.filter(({ killedBy }) => killedBy === null);

const SAMPLE = 16;
/** Where other work keeps the machine busy. */
const TIMEOUT_MS = 120_000;

/** FNV-1a, 32 bits: which mutants are tried again follows from their names alone. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const character of name) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return hash;
}

const sample = [...mutants].sort((a, b) => hashOf(mutantName(a)) - hashOf(mutantName(b))).slice(0, SAMPLE);
const library = readLibrary();

describe('the committed list of mutants', () => {
  test('has every adjacent pair of steps of every list of every policy that is mutated, once, in order', () => {
    expect(mutants.map(mutantName)).toEqual(allMutants().map(mutantName));
    expect(new Set(mutants.map(mutantName)).size).toBe(mutants.length);
    expect(new Set(mutants.map(({ policy }) => policy))).toEqual(new Set(['sigbus-on-fault', 'folio-mmapped', 'refuse-mmap', 'disallow-gup', 'split-4k', 'split-4k-lazy', 'wait-for-pins', 'exclusive-pin', 'sigsegv-on-fault', 'read-only-shared', 'separate-shared-memory', 'migrate-like', 'in-place', 'folio-put-callback']));
    expect(new Set(mutants.filter(({ policy }) => policy === 'folio-mmapped').map(({ list }) => list))).toEqual(
      new Set(['toPrivate', 'toShared', 'mmapHook', 'vmm.beforeToPrivate', 'vmm.afterRequest']),
    );
  });

  test('is laid out as the tool writes it', () => {
    expect(formatMutants({ leftOut, mutants })).toBe(text);
  });

  test('is what METHODOLOGY counts', () => {
    const methodology = readFileSync('METHODOLOGY.md', 'utf8').replaceAll(/\s+/g, ' ');
    const killed = mutants.length - survivors.length;
    expect(methodology).toContain(`each of these ${mutants.length} mutants under \`${DEFAULT_CHECK}\``);
    expect(methodology).toContain(`${killed} are noticed. The ${survivors.length} others`);
  });

  test('names files that there are, and no search of a survivor came to its bound', () => {
    const names = new Set(library.map(({ name }) => name));
    expect(mutants.flatMap(({ killedBy }) => (killedBy === null || killedBy.file === null || names.has(killedBy.file) ? [] : [killedBy.file]))).toEqual([]);
    expect(survivors.filter(({ bounded }) => bounded !== undefined)).toEqual([]);
    expect(leftOut).toEqual([{ policy: 'sigbus-on-fault', file: 'reference-protocol' }, { policy: 'migrate-like', file: 'migration-entries-are-waited-at' }]);
  });
});

describe('a mutant', () => {
  const mutant: Mutant = { policy: 'sigbus-on-fault', list: 'toPrivate', first: 'state.store', second: 'seq.end' };

  test('is its policy with two steps of one list swapped, and with nothing behind the list that it could run into', () => {
    const { name, rules } = mutate(mutant);
    const right = policyNamed('sigbus-on-fault').rules({ check: DEFAULT_CHECK });
    const { toPrivate, toShared } = rules({ check: DEFAULT_CHECK });
    const names = right.toPrivate.map((step) => step.name);
    expect(name).toBe('sigbus-on-fault');
    expect(names.slice(-4)).toEqual(['state.store', 'seq.end', 'invalidate.unlock', 'end']);
    expect(toPrivate.map((step) => step.name)).toEqual([...names.slice(0, -4), 'seq.end', 'state.store', 'invalidate.unlock', 'end', 'past the end']);
    expect(toShared.map((step) => step.name)).toEqual(right.toShared.map((step) => step.name));
  });

  test('of a pair that is not adjacent there is none', () => {
    expect(() => mutate({ ...mutant, second: 'end' }).rules({ check: DEFAULT_CHECK })).toThrow('sigbus-on-fault has no state.store, end in toPrivate');
  });
});

describe('the reasons', () => {
  test('are one for each survivor, and none is without a survivor', () => {
    expect(complaintsAbout(survivors)).toEqual([]);
    for (const survivor of survivors) expect([mutantName(survivor), reasonsFor(survivor).length]).toEqual([mutantName(survivor), 1]);
  });

  test('are missed where a mutant survives that should not', () => {
    const killed: Mutant = { policy: 'split-4k', list: 'toPrivate', first: 'check.done', second: 'mmuLock.write' };
    expect(complaintsAbout([...survivors, killed])).toEqual(['split-4k toPrivate: check.done, mmuLock.write survives, and test/tools/survivors.ts has no reason']);
  });

  test('are complained about where their survivors are gone', () => {
    expect(complaintsAbout(survivors.filter(({ first, second }) => first !== 'gather.put' || second !== 'gather.done'))).toEqual(
      [
        ...['sigbus-on-fault', 'disallow-gup', 'split-4k', 'sigsegv-on-fault', 'in-place', 'wait-for-pins', 'read-only-shared', 'split-4k-lazy', 'migrate-like'].map((policy) => `${policy} toPrivate`),
        'separate-shared-memory vmm.afterRequest',
      ].map((list) => `the reason for ${list}: gather.put, gather.done fits no survivor`),
    );
  });
});

describe(`of ${mutants.length} mutants the ${SAMPLE} whose names have the lowest hashes`, () => {
  test('are killed ones and survivors', () => {
    expect(sample.map(mutantName)).toHaveLength(SAMPLE);
    expect(sample.filter(({ killedBy }) => killedBy === null).length).toBeGreaterThan(0);
    expect(sample.filter(({ killedBy }) => killedBy !== null).length).toBeGreaterThan(0);
  });

  test.each(sample.map((fate) => ({ name: mutantName(fate), fate })))('$name', ({ fate }) => {
    const { killedBy, ...mutant }: Fate = fate;
    // Of one that was killed the file that did it is enough; a survivor meets them all.
    const files = killedBy === null ? library : library.filter(({ name }) => name === killedBy.file);
    const unmutated = exploreUnmutated(policyNamed(mutant.policy), files);
    expect(fateOf(mutant, unmutated.files, library)).toEqual(fate);
  }, TIMEOUT_MS);
});
