/** What of a trace of single steps is told, row by row. */
import { describe, expect, test } from 'vitest';
import { PIN_BETWEEN_CHECK_AND_UNMAP, counterexampleOf } from '../../test/tools/traceText.ts';
import { traceRows } from './traceRows.ts';
import type { TraceRowsOptions } from './traceRows.ts';

/** A line a row: "thread: part | part". */
function told(text: string, options: Partial<TraceRowsOptions> = {}): readonly string[] {
  const counterexample = counterexampleOf(text);
  return traceRows(counterexample, { locks: false, ...options }).map(({ thread, parts }) => {
    const texts = parts.map((part) => {
      if (part.kind === 'begins') return `[${part.text}]`;
      if (part.kind === 'ends') return `=> ${part.text}`;
      return part.kind === 'upTo' ? `to ${part.step}` : `${part.steps.join('+')} ${part.changes.join(', ')}`;
    });
    return `${counterexample.threads[thread]}: ${texts.join(' | ')}`;
  });
}

describe('a row', () => {
  test('is a stretch of one thread; silent steps are folded away, and the last one says how far it came', () => {
    expect(told(PIN_BETWEEN_CHECK_AND_UNMAP)).toEqual([
      'vcpu: [to-private 0] | folio.lookupGet+folio.readRef+folio.put refcount of page 0: 2 -> 3 -> 2 | to ptl.lock',
      'host: [pin 0 as a short fast] | irq.off interrupts off | folio.tryGet+folio.addPin refcount of page 0: 2 -> 3 -> 1026 (pinned) | to pte.reread',
      'vcpu: pte.clear PTE of page 0 cleared (stale TLB) | rmap.remove mapcount of page 0: 1 -> 0 | tlb.send asks host to flush',
      'host: irq.on buffer a holds page 0 (pin), interrupts on | ack(vcpu) flushes its TLB for vcpu',
      'vcpu: tlb.wait PTE of page 0 flushed | gather.put refcount of page 0: 1026 -> 1025 | seq.begin stage-2 invalidation begins | state.store page 0 becomes private',
    ]);
  });

  test('ends with the operation: the next one has a row of its own', () => {
    expect(told('vcpu a [guest write 0]: page 0 is up to date\nvcpu b => OK\nvcpu c [to-private 0] => EAGAIN at 2\nvcpu d [guest read 0]')).toEqual([
      'vcpu: [guest write 0] | a page 0 is up to date | => OK',
      'vcpu: [to-private 0] | => EAGAIN at 2',
      'vcpu: [guest read 0] | to d',
    ]);
  });

  test('of a stretch that changes nothing is left out, and its neighbours are one', () => {
    expect(told('vcpu a [to-private 0]: x\nhost b [host read 0]\nhost c\nvcpu d: y')).toEqual(['vcpu: [to-private 0] | a x | d y']);
  });

  test('says what had begun in stretches that are left out', () => {
    expect(told('vcpu a [to-private 0]\nhost b [host read 0]: x\nvcpu c\nhost d: y\nvcpu e: z')).toEqual(['host: [host read 0] | b x | d y', 'vcpu: [to-private 0] | e z']);
  });

  test('stays where it is the last: there the sentence breaks', () => {
    expect(told('vcpu a: x\nhost host.access [host read 0]')).toEqual(['vcpu: a x', 'host: [host read 0] | to host.access']);
  });

  test('of no step is none', () => expect(told('')).toEqual([]));
});

describe('what is done and undone in a stretch', () => {
  test('is not told: nobody saw it', () => {
    expect(told('vcpu a: interrupts off\nvcpu b: interrupts on; x\nvcpu c: stage-2 invalidation begins\nvcpu d: stage-2 invalidation ends')).toEqual(['vcpu: b x | to d']);
  });

  test('is told where somebody came between', () => {
    expect(told('vcpu a: interrupts off\nhost b: x\nvcpu c: interrupts on')).toEqual(['vcpu: a interrupts off', 'host: b x', 'vcpu: c interrupts on']);
  });

  test('leaves out locks that are dropped again, downgraded or not, and keeps the one that is held', () => {
    const text = 'vcpu a {takes mmap_lock (write)}\nvcpu b {downgrades mmap_lock}\nvcpu c {takes i_mmap_rwsem (read)}\nvcpu d {drops mmap_lock}\nvcpu e {takes mmap_lock (read)}';
    expect(told(text, { locks: true })).toEqual(['vcpu: c takes i_mmap_rwsem (read) | e takes mmap_lock (read)']);
    expect(told(text)).toEqual(['vcpu: to e']);
  });
});

describe('successive changes of one number', () => {
  test('are one, with the few steps between them that may have read it', () => {
    expect(told('vcpu a: refcount of page 0: 1 -> 2\nvcpu b\nvcpu c\nvcpu d: refcount of page 0: 2 -> 1')).toEqual(['vcpu: a+b+c+d refcount of page 0: 1 -> 2 -> 1']);
    expect(told('vcpu a: refcount of page 0: 1 -> 2\nvcpu b\nvcpu c\nvcpu c\nvcpu d: refcount of page 0: 2 -> 1')).toEqual(['vcpu: a+d refcount of page 0: 1 -> 2 -> 1']);
  });

  test('stay apart where another change lies between them, and where a step changed more', () => {
    expect(told('vcpu a: refcount of page 0: 1 -> 2\nvcpu b: x\nvcpu c: refcount of page 0: 2 -> 3')).toEqual(['vcpu: a refcount of page 0: 1 -> 2 | b x | c refcount of page 0: 2 -> 3']);
    expect(told('vcpu a: refcount of page 0: 1 -> 2; x\nvcpu c: refcount of page 0: 2 -> 3')).toEqual(['vcpu: a refcount of page 0: 1 -> 2, x | c refcount of page 0: 2 -> 3']);
    expect(told('vcpu a: refcount of page 0: 1 -> 2\nvcpu c: refcount of page 1: 2 -> 3')).toEqual(['vcpu: a refcount of page 0: 1 -> 2 | c refcount of page 1: 2 -> 3']);
  });

  test('are left out in brief where they come back', () => {
    expect(told('vcpu a: refcount of page 0: 1 -> 2\nvcpu d: refcount of page 0: 2 -> 1\nvcpu e: refcount of page 0: 1 -> 2', { brief: true })).toEqual(['vcpu: a+d+e refcount of page 0: 1 -> 2 -> 1 -> 2']);
    expect(told(PIN_BETWEEN_CHECK_AND_UNMAP, { brief: true })[0]).toBe('host: [pin 0 as a short fast] | irq.off interrupts off | folio.tryGet+folio.addPin refcount of page 0: 2 -> 3 -> 1026 (pinned) | to pte.reread');
  });
});
