/**
 * Policies that are wrong on purpose, one mistake each: an explorer that does not catch them is not to be trusted.
 *
 * No comparison runs them; litmus files name them. test/library.test.ts holds that each is caught by the file in its header.
 */
import type { ConversionPolicy } from '../policy.ts';
import { checkBeforeUnmap } from './check-before-unmap.ts';
import { countBeforeType } from './count-before-type.ts';
import { folioMmappedWithoutDance } from './folio-mmapped-without-dance.ts';
import { forgetsOwnReference } from './forgets-own-reference.ts';
import { noNotifier } from './no-notifier.ts';
import { storeBeforeUnmap } from './store-before-unmap.ts';
import { unmapWithoutFlush } from './unmap-without-flush.ts';
import { waitsUnderInvalidateLock } from './waits-under-invalidate-lock.ts';

export const wrongPolicies: readonly ConversionPolicy[] = [
  checkBeforeUnmap,
  storeBeforeUnmap,
  unmapWithoutFlush,
  forgetsOwnReference,
  noNotifier,
  waitsUnderInvalidateLock,
  folioMmappedWithoutDance,
  countBeforeType,
];
