/**
 * Mutants of the other families: the committed list is that of today's routines, says of some killed ones what becomes of them still, and each
 * survivor has its reason. `npm run mutants` makes the whole list again.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { buildProgram, end, free, step, Flow } from '../src/model/step.ts';
import type { TaskWorld } from '../src/model/taskWorld.ts';
import { compareOver } from './tools/bothOrders.ts';
import { familyMutantName, fateOfKilled, formatFamilyMutants, mutantsOf, policyOf, swapSteps } from './tools/familyMutation.ts';
import type { FamilyFate } from './tools/familyMutation.ts';
import { familyComplaintsAbout, familyReasons, familyReasonsFor } from './tools/familySurvivors.ts';
import { filesOf, otherFamilies } from './tools/library.ts';

const text = readFileSync('results/family-mutants.json', 'utf8');
const { mutants } = JSON.parse(text) as { readonly mutants: readonly FamilyFate[] };
const killed = mutants.filter(({ killedBy }) => killedBy !== null);
const survivors = mutants.filter(({ killedBy }) => killedBy === null);

describe('the committed list of mutants of the other families', () => {
  test('has every adjacent pair of the routines that ask a policy, in order, and is laid out as the tool writes it', () => {
    expect(mutants.map(familyMutantName)).toEqual(otherFamilies.flatMap(mutantsOf).map(familyMutantName));
    expect(formatFamilyMutants(mutants)).toBe(text);
  });

  test('has killed ones in every routine, by files that there are', () => {
    const routines = new Set(mutants.map(({ policy, routine }) => `${policy} ${routine}`));
    expect(new Set(killed.map(({ policy, routine }) => `${policy} ${routine}`))).toEqual(routines);
    const names = new Set(otherFamilies.flatMap((family) => filesOf(family).map(({ name }) => `${family.name} ${name}`)));
    expect(killed.filter(({ family, killedBy }) => !names.has(`${family} ${killedBy?.file}`))).toEqual([]);
  });

  test('is what METHODOLOGY counts', () => {
    const methodology = readFileSync('METHODOLOGY.md', 'utf8').replaceAll(/\s+/g, ' ');
    const of = (kind: string): number => survivors.filter((one) => familyReasonsFor(one)[0]?.kind === kind).length;
    expect(methodology).toContain(`Of ${mutants.length} such mutants ${killed.length} are noticed. The ${survivors.length} others`);
    for (const [kind, what] of [['order', 'an order that decides nothing'], ['idle', 'a step that finds nothing to do'], ['birth', 'a wait of the model'], ['price', 'a price'], ['unmodelled', 'what the families have not']]) {
      expect(methodology).toContain(`| ${what} | ${of(kind)} |`);
    }
  });

  // One of each policy and routine: the file that killed it does so again.
  const samples = killed.filter(({ policy, routine }, at) => at === killed.findIndex((one) => one.policy === policy && one.routine === routine));
  test.each(samples.map((fate) => ({ name: familyMutantName(fate), fate })))('$name', ({ fate }) => {
    expect(fateOfKilled(fate)).toEqual(fate);
  });
});

describe('the reasons why mutants of the other families survive', () => {
  test('are one for each survivor, and none is without a survivor', () => {
    expect(familyComplaintsAbout(survivors)).toEqual([]);
    for (const survivor of survivors) expect([familyMutantName(survivor), familyReasonsFor(survivor).length]).toEqual([familyMutantName(survivor), 1]);
  });

  test('are none for a mutant that is killed', () => {
    expect(killed.filter((one) => familyReasonsFor(one).length > 0).map(familyMutantName)).toEqual([]);
  });

  test('are missed where a mutant survives that should not, and complained about where their survivors are gone', () => {
    expect(familyComplaintsAbout([...survivors, killed[0]])).toEqual([`${familyMutantName(killed[0])} survives, and test/tools/familySurvivors.ts has no reason`]);
    expect(familyComplaintsAbout(survivors.filter(({ first }) => first !== 'around.begin'))).toEqual(
      ['pte-marker', 'protnone-zero-page'].map((policy) => `the reason for ${policy} fault: around.begin, around.lock fits no survivor`),
    );
  });

  test('name the policies that they are for: both families have a routine of one name', () => {
    expect(familyReasons.filter(({ policies }) => policies === undefined)).toEqual([]);
  });
});

/** Small files in which tasks come to every pair of which a reason says that both orders do the same. */
const COMPARED: Readonly<Record<string, readonly string[]>> = {
  unsharing: ['cw-6-huge-one-pte', 'write-pin-then-fork', 'exclusive-over-swap-with-a-pipe', 'reuse-against-swap-out', 'fork-of-pinned-huge'],
  'wp-markers': ['protection-without-a-flush', 'fork-with-events', 'punch-of-a-page-in-swap', 'fault-around-in-a-child'],
};

describe('two steps of which a reason says that both orders lead to the same state', () => {
  const same = survivors.filter((one) => familyReasonsFor(one)[0]?.same === true);

  test.each([...new Set(same.map(({ policy }) => policy))])('do so wherever a task comes to them, under %s', (name) => {
    const asked = same.filter(({ policy }) => policy === name);
    const { family, policy } = policyOf(asked[0]);
    const files = filesOf(family).filter((litmus) => COMPARED[family.name].includes(litmus.name));
    const compared = compareOver(files, policy, asked, { statesMax: 12_000, enough: 1 });
    expect(compared.filter(({ states, unlike }) => states === 0 || unlike > 0)).toEqual([]);
  });

  test('and do not where one is jumped to: the fork that flushes before its sequence ends does not flush', () => {
    const flush = survivors.filter(({ first, second }) => first === 'sequence.end' && second === 'tlb.send');
    const { family, policy } = policyOf(flush[0]);
    const [{ states, unlike }] = compareOver(filesOf(family).filter(({ name }) => name === 'fork-against-munmap'), policy, flush, { statesMax: 12_000, enough: 1 });
    expect([states > 0, unlike > 0]).toEqual([true, true]);
  });
});

test('two steps that are swapped keep their labels: who goes on at one of them by its name still does', () => {
  const next = () => Flow.Next;
  const program = buildProgram<TaskWorld>({ one: { steps: [step('a', next, 'c'), free('b', next), free('c', next), end] }, two: { steps: [end] } });
  const swapped = swapSteps(program, 2);
  expect([program.names, swapped.names]).toEqual([['idle', 'a', 'b', 'c', 'end', 'end'], ['idle', 'a', 'c', 'b', 'end', 'end']]);
  expect([program.otherwise[1], swapped.otherwise[1]]).toEqual([3, 2]);
  const last = swapSteps(program, 3);
  expect(() => last.run[4]({} as TaskWorld, 0)).toThrow('a routine goes on behind its last step');
});
