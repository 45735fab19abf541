/**
 * Every family that can be explored, with its policies, in the order of the documents. A file that names none is of the first.
 *
 * Verdicts of a policy follow from its family's file, `families/<name>.ts`, and from the policy's own, so that neither imports what is
 * listed here.
 */
import { policies } from '../../policies/index.ts';
import { unsharingPolicies } from '../../policies/unsharing/index.ts';
import { wpMarkerPolicies } from '../../policies/wp-markers/index.ts';
import { wrongWpPolicies } from '../../policies/wp-markers/wrong.ts';
import { wrongPolicies } from '../../policies/wrong/index.ts';
import { wrongUnsharingPolicies } from '../../policies/wrong/unsharing.ts';
import { exploredFamily } from '../family.ts';
import type { ExploredFamily } from '../family.ts';
import type { AnyLitmus, Litmus } from '../litmus.ts';
import { conversion } from './conversion.ts';
import { unsharing } from './unsharing.ts';
import { wpMarkers } from './wp-markers.ts';

export const conversionFamily = exploredFamily(conversion, { policies, wrongPolicies });

export const unsharingFamily = exploredFamily(unsharing, { policies: unsharingPolicies, wrongPolicies: wrongUnsharingPolicies });

export const wpMarkersFamily = exploredFamily(wpMarkers, { policies: wpMarkerPolicies, wrongPolicies: wrongWpPolicies });

export const families: readonly ExploredFamily[] = [conversionFamily, unsharingFamily, wpMarkersFamily];

/** Whether a file is about guest_memfd. */
export const isOfConversions = (litmus: AnyLitmus): litmus is Litmus => litmus.family === conversionFamily;

/** The family that policies of a user's own are of: the package exports its interface. */
export const familyOfOwnPolicies = conversionFamily;
