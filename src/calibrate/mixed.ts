/**
 * Whole sequences: faults, populating, zaps, holes and pins of random ranges of one file through several mappings, in an order that no
 * point of a grid has. The same for the same place, on the kernel and in the model. None is fitted: they are asked of the prices.
 *
 * `mixed.forks` has forks too, and is run by a process that may fork.
 */
import { below, createRandom } from '../workloads/random.ts';
import type { MeasuredOperation, Place } from './points.ts';

export type MixedOperation = Extract<MeasuredOperation, 'mixed' | 'mixed.forks'>;
export const isMixed = (operation: MeasuredOperation): operation is MixedOperation => operation === 'mixed' || operation === 'mixed.forks';

export const MIXED_KINDS = ['touch', 'populate', 'zap', 'punch', 'pin', 'fork'] as const;
export type MixedKind = (typeof MIXED_KINDS)[number];

/** One call, or loads or stores of each page; a pin is dropped again at once. A fork has no range. */
export interface MixedStep {
  readonly kind: MixedKind;
  readonly page: number;
  readonly count: number;
  readonly window: number;
}

const STEPS = 48;
/** Faults most, as they are what the others need. */
const KINDS: readonly MixedKind[] = ['touch', 'touch', 'touch', 'populate', 'zap', 'punch', 'punch', 'pin'];
const KINDS_WITH_FORKS: readonly MixedKind[] = [...KINDS, 'fork'];
const COUNT_MAX = 64;

export function mixedSequence({ operation, pages, vmas, dirty }: Pick<Place, 'operation' | 'pages' | 'vmas' | 'dirty'>): readonly MixedStep[] {
  const kinds = operation === 'mixed.forks' ? KINDS_WITH_FORKS : KINDS;
  const random = createRandom(pages * 1000 + vmas * 10 + (dirty ? 1 : 0));
  return Array.from({ length: STEPS }, () => {
    const kind = kinds[below(random, kinds.length)];
    const count = 1 + below(random, Math.min(COUNT_MAX, pages));
    return { kind, page: below(random, pages - count + 1), count, window: below(random, vmas) };
  });
}

/** Calls into libc of a sequence. */
export const mixedCalls = (steps: readonly MixedStep[]): number => steps.reduce((sum, { kind }) => sum + (kind === 'touch' ? 0 : kind === 'pin' ? 2 : 1), 0);
