/**
 * Kernels of the family `unsharing` that are wrong on purpose: each leaves out one rule around reliable pins, and the explorer has to
 * find a schedule that shows why there is one.
 */
import type { Mistake } from '../../model/anonymous/rules.ts';
import type { UnsharingPolicy } from '../unsharing/policy.ts';

const wrong = (name: Mistake, summary: string): UnsharingPolicy => ({ name, summary, family: 'unsharing', checks: [], rules: () => ({ onShared: 'unshare', mistake: name }) });

export const wrongUnsharingPolicies: readonly UnsharingPolicy[] = [
  wrong('fork-ignores-pins', 'fork shares pinned pages like all others, so that the next write leaves the pin behind'),
  wrong('ignores-fork-sequence', 'GUP-fast does not look whether a fork was at work while it pinned'),
  wrong('reads-entry-once', 'GUP-fast does not read the entry again behind its reference'),
  wrong('looks-before-it-clears', 'reclaim looks for pins before it clears the entry, and a pin comes in between'),
  wrong('copies-without-reference', 'a write fault copies a page that it holds no reference on, and another process reuses it meanwhile'),
];
