import { describe, expect, test } from 'vitest';
import { wrongUnsharingPolicies } from '../wrong/unsharing.ts';
import { unsharingPolicies } from './index.ts';

describe('the policies of the family unsharing', () => {
  test('are the three ways of the mail, in its order', () => {
    expect(unsharingPolicies.map(({ name, rules }) => [name, rules().onShared])).toEqual([['ignore-and-pin', 'pin'], ['fail-to-pin', 'fail'], ['unshare-and-pin', 'unshare']]);
  });

  test('tell who holds what, and what it costs', () => {
    for (const { argument, summary } of unsharingPolicies) {
      expect([argument?.for.length, argument?.against.length, argument?.sources.length].every((count) => (count ?? 0) > 0)).toBe(true);
      expect(summary.length).toBeLessThan(120);
    }
  });

  test('have no checks, and every wrong kernel is wrong by the mistake of its name', () => {
    expect([...unsharingPolicies, ...wrongUnsharingPolicies].flatMap(({ checks }) => [...checks])).toEqual([]);
    expect(wrongUnsharingPolicies.map(({ name, rules }) => rules().mistake === name)).toEqual(wrongUnsharingPolicies.map(() => true));
  });
});
