import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { policyNamed } from '../../test/tools/runScript.ts';
import { searchCell } from '../../test/tools/searched.ts';
import { checkLitmus } from '../explore/checkLitmus.ts';
import { parseLitmus } from '../explore/parseLitmus.ts';
import type { ConversionPolicy } from '../policies/policy.ts';
import { withStep } from '../policies/wrong/steps.ts';
import { EntryBit } from './entries.ts';
import { PageBit, isPrivate } from './file.ts';
import { endInvalidation } from './invalidation.ts';
import type { Step } from './step.ts';
import type { World } from './world.ts';

const right = policyNamed('separate-shared-memory');

const litmusNamed = (name: string) => {
  const path = `litmus/conversion/${name}.litmus.yaml`;
  return parseLitmus(readFileSync(path, 'utf8'), path);
};

/** Whether some state of a search is as asked. */
function someState(name: string, asks: (world: World) => boolean): boolean {
  const { machine, found: { states } } = searchCell({ litmus: litmusNamed(name), policy: right, check: undefined });
  for (let row = 0; row < states.rows.count; row++) {
    states.load(row);
    if (asks(machine.world)) return true;
  }
  return false;
}

describe('between the change of the attribute and the punch', () => {
  const file = 'separate-between-attribute-and-punch';

  test('an index has a page in both memories, the guest maps the one and the host the other', () => {
    const both = (world: World): boolean => (world.pageState[0] & PageBit.Present) !== 0 && (world.pageState[0] & PageBit.PrivatePresent) !== 0;
    expect(someState(file, (world) => both(world) && isPrivate(world, 0) && (world.pageState[0] & PageBit.Leaf) !== 0 && (world.entry[0] & EntryBit.Present) !== 0)).toBe(true);
  });

  test('and no state has a way of the host counted as an exposure', () => {
    expect(someState(file, ({ pageState }) => (pageState[0] & PageBit.Exposed) !== 0)).toBe(false);
    expect(someState(file, (world) => isPrivate(world, 0) && world.dataRefs[0] > 0)).toBe(true);
  });
});

describe('a guest fault in flight', () => {
  const changed = (change: (steps: readonly Step[]) => readonly Step[]): ConversionPolicy => ({
    ...right,
    rules: (options) => {
      const rules = right.rules(options);
      return { ...rules, toPrivate: change(rules.toPrivate), toShared: change(rules.toShared) };
    },
  });
  const found = (policy: ConversionPolicy): string => {
    const { verdict, counterexample } = checkLitmus({ litmus: litmusNamed('separate-guest-fault-in-flight'), policy, check: undefined });
    return `${verdict}: ${counterexample?.what ?? ''}`;
  };

  test('starts again where the attribute has changed since it was read', () => expect(found(right)).toBe('proved: '));

  test('maps the page of the other memory where the sequence rises at the begin of an invalidation only', () => {
    expect(found(changed((steps) => withStep(steps, 'seq.end', endInvalidation)))).toMatch(/^broken: stage-2 maps page 0, which /);
  });
});
