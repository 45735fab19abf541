/** Sentences that every family asks of its machine: about locks, counts and waits. Those about its memory a family brings itself. */
export interface Sentence {
  readonly name: string;
  readonly sentence: string;
  readonly why: string;
}

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

/** In the order in which they are asked: behind those about moves, before those about states. */
export const commonSentences: readonly Sentence[] = [lockOrder, noStepThrows, nobodyStuck, endReachable];

/** The sentence that a throwing step breaks, by its message. */
export const sentenceOfThrow = (message: string): Sentence => (message.startsWith('lock order:') ? lockOrder : noStepThrows);
