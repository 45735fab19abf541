/**
 * Why each mutant of the other families that their litmus files do not kill survives (test/tools/survivors.ts has those of conversions).
 *
 * Each survivor has exactly one reason, and no reason is without a survivor (test/familyMutants.test.ts): one that a new file kills goes
 * from here. A reason says of which kind it is, and METHODOLOGY counts them by that. Where both orders lead to the same state it says so,
 * and is held to it: then `because` is about what others see in between.
 */
import type { FamilyMutant } from './familyMutation.ts';
import { complaintsOf, fitting } from './reasons.ts';
import type { FamilyReason, Swap } from './reasons.ts';
import { unsharingReasons } from './unsharingSurvivors.ts';
import { wpMarkerReasons } from './wpMarkerSurvivors.ts';

export const familyReasons: readonly FamilyReason[] = [...unsharingReasons, ...wpMarkerReasons];

const swapOf = ({ policy, routine, first, second }: FamilyMutant): Swap<string> => ({ policy, list: routine, first, second });

/** The reasons that fit a mutant: policies tell the families apart. */
export const familyReasonsFor = (mutant: FamilyMutant): readonly FamilyReason[] => fitting(familyReasons, swapOf(mutant));

/** What is wrong with the reasons for these survivors. */
export const familyComplaintsAbout = (survivors: readonly FamilyMutant[]): readonly string[] => complaintsOf(familyReasons, survivors.map(swapOf), 'test/tools/familySurvivors.ts');
