/** Sentences: what must hold in every state that a litmus reaches, each by its name, with why it matters. */
import { invariants } from '../model/invariants.ts';

export interface Sentence {
  readonly name: string;
  readonly sentence: string;
  readonly why: string;
}

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

export const lockOrder: Sentence = {
  name: 'lock-order',
  sentence: 'locks are taken in one order: mmap_lock, invalidate_lock, folio lock, i_mmap_rwsem, page-table lock, mmu_lock',
  why: 'two tasks that take two locks in two orders can wait for each other for ever',
};

export const noStepThrows: Sentence = {
  name: 'kernel-arithmetic',
  sentence: 'no reference is dropped that nobody holds, and no step finds what cannot be',
  why: 'a count below zero is a use after free in the kernel',
};

export const nobodyStuck: Sentence = {
  name: 'nobody-stuck',
  sentence: 'in every state in which somebody has work left, somebody can take a step',
  why: 'tasks that wait for each other wait for ever, with the locks that they hold',
};

export const endReachable: Sentence = {
  name: 'end-reachable',
  sentence: 'from every reachable state a state is reachable in which every operation has ended',
  why: 'a conversion that can come into a corner without a way out hangs the vCPU that asked for it',
};

const WHY_COUNTS = 'checks, truncation and GUP decide by these counts: one that lies makes them decide wrongly';

/** Invariants of the model by their letters (src/model/invariants.ts); F1 is the conservation of references. */
export const countsHold: readonly Sentence[] = invariants.map(({ name, sentence }) => ({ name, sentence, why: WHY_COUNTS }));

/** All of them, in the order in which they are asked. */
export const sentences: readonly Sentence[] = [noExposure, noRogueAccess, lockOrder, noStepThrows, nobodyStuck, endReachable, ...countsHold];

/** The sentence that a throwing step breaks, by its message. */
export const sentenceOfThrow = (message: string): Sentence => (message.startsWith('lock order:') ? lockOrder : noStepThrows);
