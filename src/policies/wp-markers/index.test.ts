import { describe, expect, test } from 'vitest';
import { wpMarkerPolicies } from './index.ts';
import type { WpMarkerPolicy } from './policy.ts';
import { wrongWpPolicies } from './wrong.ts';

const rulesOf = (policy: WpMarkerPolicy, choices = {}) => policy.rules({ check: 'refcount', choices });

describe('the policies of wp-markers', () => {
  test('are the bug, what became of it, what was thought of, and each with faults that map around', () => {
    expect(wpMarkerPolicies.map(({ name, onRequest = false }) => [name, onRequest])).toEqual([
      ['drop', false], ['pte-marker', false], ['protnone-zero-page', false], ['drop-around', true], ['pte-marker-around', true], ['protnone-around', true],
    ]);
  });

  test('differ in what they keep, and in whether fork copies', () => {
    expect(wpMarkerPolicies.slice(0, 3).map((policy) => rulesOf(policy))).toEqual([
      { keeps: 'nothing', aroundArmed: false, forkCopies: false, punchKeeps: true },
      { keeps: 'marker', aroundArmed: false, forkCopies: true, punchKeeps: true },
      { keeps: 'protnone', aroundArmed: false, forkCopies: true, punchKeeps: true },
    ]);
  });

  test('have the switch as a choice, and under names of their own', () => {
    for (const at of [0, 1, 2]) {
      expect(rulesOf(wpMarkerPolicies[at], { faultAround: 'into-armed' })).toEqual(rulesOf(wpMarkerPolicies[at + 3]));
      expect(wpMarkerPolicies[at].choices?.map(({ name, default: usual }) => [name, usual])).toEqual([['faultAround', 'skips-armed']]);
      expect(wpMarkerPolicies[at + 3].choices).toEqual([]);
    }
    expect(() => rulesOf(wpMarkerPolicies[0], { faultAround: 'sometimes' })).toThrow('choice faultAround has no value "sometimes"');
  });

  test('say what they are for, what speaks against them, and where it can be read', () => {
    for (const { argument, summary } of wpMarkerPolicies) {
      expect(summary).not.toBe('');
      expect([argument?.idea, argument?.price].every((text) => (text ?? '').length > 20)).toBe(true);
      expect(argument?.sources.length).toBeGreaterThan(0);
      expect(argument?.against.every(({ who, says, mail = '' }) => who !== '' && says !== '' && /20(20|22)$/.test(mail))).toBe(true);
    }
  });

  test('and those that are wrong on purpose differ from the right one in one thing each', () => {
    const right = rulesOf(wpMarkerPolicies[1]);
    expect(wrongWpPolicies.map((policy) => [policy.name, Object.entries(rulesOf(policy)).filter(([key, value]) => right[key as keyof typeof right] !== value)])).toEqual([
      ['marker-later', [['keepsLater', true]]],
      ['punch-drops-first', [['aroundArmed', true], ['punchKeeps', false]]],
      ['fork-skips', [['forkCopies', false]]],
    ]);
  });
});
