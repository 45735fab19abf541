/** Sentences: what must hold in every state that a litmus of the conversion family reaches, each by its name, with why it matters. */
import { invariants } from '../model/invariants.ts';
import { commonSentences } from './commonSentences.ts';
import type { Sentence } from './commonSentences.ts';

export { endReachable, lockOrder, noStepThrows, nobodyStuck, sentenceOfThrow } from './commonSentences.ts';
export type { Sentence } from './commonSentences.ts';

const WHY_NO_ACCESS = 'on TDX, SNP and pKVM one access of the host to a private page can take down the machine';

export const noExposure: Sentence = {
  name: 'no-exposure',
  sentence: "from the commit of a to-private to that of the next to-shared nothing but the guest can reach the page's data",
  why: WHY_NO_ACCESS,
};

export const noRogueAccess: Sentence = {
  name: 'no-rogue-access',
  sentence: 'the host never reads or writes the data of a page while it is private',
  why: WHY_NO_ACCESS,
};

const WHY_COUNTS = 'checks, truncation and GUP decide by these counts: one that lies makes them decide wrongly';

/** Invariants of the model by their letters (src/model/invariants.ts); F1 is the conservation of references. */
export const countsHold: readonly Sentence[] = invariants.map(({ name, sentence }) => ({ name, sentence, why: WHY_COUNTS }));

/** All of them, in the order in which they are asked. */
export const sentences: readonly Sentence[] = [noExposure, noRogueAccess, ...commonSentences, ...countsHold];
