/** Mutants of the other families: the committed list is that of today's routines, and says of some mutants what becomes of them still. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { buildProgram, end, free, step, Flow } from '../src/model/step.ts';
import type { TaskWorld } from '../src/model/taskWorld.ts';
import { familyMutantName, fateOfKilled, formatFamilyMutants, mutantsOf, swapSteps } from './tools/familyMutation.ts';
import type { FamilyFate } from './tools/familyMutation.ts';
import { otherFamilies } from './tools/library.ts';

const text = readFileSync('results/family-mutants.json', 'utf8');
const { mutants } = JSON.parse(text) as { readonly mutants: readonly FamilyFate[] };

describe('the committed list of mutants of the other families', () => {
  test('has every adjacent pair of the routines that ask a policy, in order, and is laid out as the tool writes it', () => {
    expect(mutants.map(familyMutantName)).toEqual(otherFamilies.flatMap(mutantsOf).map(familyMutantName));
    expect(formatFamilyMutants(mutants)).toBe(text);
  });

  test('has killed ones in every routine', () => {
    const routines = new Set(mutants.map(({ policy, routine }) => `${policy} ${routine}`));
    expect(new Set(mutants.filter(({ killedBy }) => killedBy !== null).map(({ policy, routine }) => `${policy} ${routine}`))).toEqual(routines);
  });

  // One of each policy and routine: the file that killed it does so again.
  const samples = mutants.filter(({ killedBy, policy, routine }, at) => killedBy !== null && at === mutants.findIndex((one) => one.killedBy !== null && one.policy === policy && one.routine === routine));
  test.each(samples.map((fate) => ({ name: familyMutantName(fate), fate })))('$name', ({ fate }) => {
    expect(fateOfKilled(fate)).toEqual(fate);
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
