/** Counterexamples as a reader gets them: at most 20 lines, as text at most 110 columns wide. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PIN_BETWEEN_CHECK_AND_UNMAP, WAITS_UNDER_LOCK, counterexampleOf } from '../../test/tools/traceText.ts';
import type { Counterexample, Verdict } from '../explore/verdict.ts';
import { formatCounterexample } from './counterexample.ts';
import type { CounterexampleFormat } from './counterexample.ts';

const world = '2 pages in folios of order 0, 2 CPUs (1 vCPU), 1 process, flushes by IPI, patience 0';
const replay = 'foliobench explore planted-race --policy check-before-unmap --check refcount --replay "vcpu*18 host*8 vcpu*7 host host@vcpu vcpu*13"';

const verdictOf = (counterexample: Counterexample | null, changed: Partial<Verdict> = {}): Verdict => ({
  family: 'conversion', litmus: 'planted-race', policy: 'check-before-unmap', check: 'refcount', verdict: 'broken', safety: 'broken', liveness: 'unknown', world,
  exhaustive: true, bound: null, states: 781, transitions: 1234, depth: 60, outcomes: null, counterexample, expected: 'broken', because: null, asExpected: true,
  ...changed,
});

const print = (verdict: Verdict, format: CounterexampleFormat = 'text'): string => formatCounterexample(verdict, { format, replay });
const planted = verdictOf(counterexampleOf(PIN_BETWEEN_CHECK_AND_UNMAP));

describe('a race of two threads in 47 steps', () => {
  test('fits a mail', () => {
    expect(print(planted)).toMatchInlineSnapshot(`
      "planted-race under check-before-unmap, check refcount: broken after 47 sequentially consistent steps
      world: 2 pages in folios of order 0, 2 CPUs (1 vCPU), 1 process, flushes by IPI, patience 0; exhaustive up to
        the finding: 781 states; as expected
      violated: no-exposure: from the commit of a to-private to that of the next to-shared nothing but the guest can
        reach the page's data
      found: page 0 is private and within reach by (c) a reference whose holder may touch data
      why it matters: on TDX, SNP and pKVM one access of the host to a private page can take down the machine
      vcpu                        host
      --------------------------  ----------------------------------------------------------------------------------
      [to-private 0] folio.lookupGet, folio.readRef, folio.put: refcount of page 0: 2 -> 3 -> 2; up to ptl.lock
                                  [pin 0 as a short fast] irq.off: interrupts off; folio.tryGet, folio.addPin:
                                    refcount of page 0: 2 -> 3 -> 1026 (pinned); up to pte.reread
      pte.clear: PTE of page 0 cleared (stale TLB); rmap.remove: mapcount of page 0: 1 -> 0; tlb.send: asks host to
        flush
                                  irq.on: buffer a holds page 0 (pin), interrupts on; ack(vcpu): flushes its TLB for
                                    vcpu
      tlb.wait: PTE of page 0 flushed; gather.put: refcount of page 0: 1026 -> 1025; seq.begin: stage-2 invalidation
        begins; state.store: page 0 becomes private
      replay: foliobench explore planted-race --policy check-before-unmap --check refcount --replay "vcpu*18 host*8 vcpu*7 host host@vcpu vcpu*13"
      "
    `);
  });

  test('is a table of Markdown', () => {
    expect(print(planted, 'md')).toMatchInlineSnapshot(`
      "**planted-race under check-before-unmap, check refcount: broken after 47 sequentially consistent steps**

      - world: 2 pages in folios of order 0, 2 CPUs (1 vCPU), 1 process, flushes by IPI, patience 0; exhaustive up to the finding: 781 states; as expected
      - violated: no-exposure: from the commit of a to-private to that of the next to-shared nothing but the guest can reach the page's data
      - found: page 0 is private and within reach by (c) a reference whose holder may touch data
      - why it matters: on TDX, SNP and pKVM one access of the host to a private page can take down the machine

      | vcpu | host |
      | --- | --- |
      | [to-private 0] folio.lookupGet, folio.readRef, folio.put: refcount of page 0: 2 -> 3 -> 2; up to ptl.lock |  |
      |  | [pin 0 as a short fast] irq.off: interrupts off; folio.tryGet, folio.addPin: refcount of page 0: 2 -> 3 -> 1026 (pinned); up to pte.reread |
      | pte.clear: PTE of page 0 cleared (stale TLB); rmap.remove: mapcount of page 0: 1 -> 0; tlb.send: asks host to flush |  |
      |  | irq.on: buffer a holds page 0 (pin), interrupts on; ack(vcpu): flushes its TLB for vcpu |
      | tlb.wait: PTE of page 0 flushed; gather.put: refcount of page 0: 1026 -> 1025; seq.begin: stage-2 invalidation begins; state.store: page 0 becomes private |  |

      \`foliobench explore planted-race --policy check-before-unmap --check refcount --replay "vcpu*18 host*8 vcpu*7 host host@vcpu vcpu*13"\`
      "
    `);
  });

  test('is the verdict itself as JSON, with the command', () => expect(JSON.parse(print(planted, 'json'))).toEqual({ ...planted, replay }));

  test('has columns of its own for each thread where that is short enough', () => {
    const short = `
      vcpu a [to-private 0]
      host pageCache.insert [host read 0]: page 0 enters the page cache; refcount of page 0: 0 -> 2
      host invalidate.readUnlock
      vcpu state.store: page 0 becomes private
      host rmap.add: mapcount of page 0: 0 -> 1
      host pte.set: PTE of page 0 set
    `;
    expect(print(verdictOf(counterexampleOf(short, { what: 'page 0 is private and within reach by (a) a present PTE' })))).toMatchInlineSnapshot(`
      "planted-race under check-before-unmap, check refcount: broken after 6 sequentially consistent steps
      world: 2 pages in folios of order 0, 2 CPUs (1 vCPU), 1 process, flushes by IPI, patience 0; exhaustive up to
        the finding: 781 states; as expected
      violated: no-exposure: from the commit of a to-private to that of the next to-shared nothing but the guest can
        reach the page's data
      found: page 0 is private and within reach by (a) a present PTE
      why it matters: on TDX, SNP and pKVM one access of the host to a private page can take down the machine
      vcpu                                        host
      ------------------------------------------  ----------------------------------------------------------------
                                                  [host read 0] pageCache.insert: page 0 enters the page cache,
                                                    refcount of page 0: 0 -> 2; up to invalidate.readUnlock
      [to-private 0] state.store: page 0 becomes
        private
                                                  rmap.add: mapcount of page 0: 0 -> 1; pte.set: PTE of page 0 set
      replay: foliobench explore planted-race --policy check-before-unmap --check refcount --replay "vcpu*18 host*8 vcpu*7 host host@vcpu vcpu*13"
      "
    `);
  });
});

describe('locks', () => {
  test('are told where somebody is stuck: those that are held while others go on', () => {
    const stuck = counterexampleOf(WAITS_UNDER_LOCK, {
      rule: 'nobody-stuck', sentence: 'in every state in which somebody has work left, somebody can take a step',
      what: 'vcpu waits at folio.waitRef, host waits for invalidate_lock at invalidate.readLock', why: 'tasks that wait for each other wait for ever, with the locks that they hold',
    });
    expect(print(verdictOf(stuck, { verdict: 'stuck' }))).toMatchInlineSnapshot(`
      "planted-race under check-before-unmap, check refcount: stuck after 10 sequentially consistent steps
      world: 2 pages in folios of order 0, 2 CPUs (1 vCPU), 1 process, flushes by IPI, patience 0; exhaustive: 781
        states; as expected
      violated: nobody-stuck: in every state in which somebody has work left, somebody can take a step
      found: vcpu waits at folio.waitRef, host waits for invalidate_lock at invalidate.readLock
      why it matters: tasks that wait for each other wait for ever, with the locks that they hold
      vcpu                                                          host
      ------------------------------------------------------------  --------------------------------------------
      [to-private 0] invalidate.writeLock: takes invalidate_lock
        (write); folio.lookupGet: refcount of page 0: 1025 -> 1026
                                                                    [host read 1] mmapLock.read: takes mmap_lock
                                                                      (read); up to pte.readNone
      replay: foliobench explore planted-race --policy check-before-unmap --check refcount --replay "vcpu*18 host*8 vcpu*7 host host@vcpu vcpu*13"
      "
    `);
  });

  test('are told where the sentence is about them, and nowhere else', () => {
    const text = 'vcpu a: x {takes mmu_lock (write)}';
    const about = (rule: string, sentence: string): boolean => print(verdictOf(counterexampleOf(text, { rule, sentence }))).includes('takes mmu_lock');
    expect(about('lock-order', 'locks are taken in one order')).toBe(true);
    expect(about('L1', 'a lock word says how many tasks hold the lock, and how')).toBe(true);
    expect(about('S2', 'an invalidation is open only under invalidate_lock held exclusively')).toBe(true);
    expect(about('end-reachable', 'from every reachable state a state is reachable in which every operation has ended')).toBe(true);
    expect(about('F1', 'a refcount is the sum of its holders')).toBe(false);
    expect(about('no-exposure', 'nothing reaches the blocks of a private page')).toBe(false);
  });
});

describe('a trace that is too long', () => {
  const turn = (page: number): string => `
    vcpu spte.clear [guest write ${page}]: stage-2 leaf of page ${page} cleared => OK
    host pte.set [host read ${page}]: refcount of page ${page}: 1 -> 2; mapcount of page ${page}: 0 -> 1; PTE of page ${page} set; content of page ${page}: 0x0 -> 0xA => 0xA
  `;
  const long = counterexampleOf([0, 1, 2, 3, 4, 5, 6].map(turn).join('') + 'vcpu state.store [to-private 1]: page 1 becomes private', { what: 'page 1 is private and within reach by (a) a present PTE' });

  test('keeps the rows nearest to the violation and those about its page, and says how many it left out', () => {
    expect(print(verdictOf(long))).toMatchInlineSnapshot(`
      "planted-race under check-before-unmap, check refcount: broken after 15 sequentially consistent steps
      world: 2 pages in folios of order 0, 2 CPUs (1 vCPU), 1 process, flushes by IPI, patience 0; exhaustive up to
        the finding: 781 states; as expected
      violated: no-exposure: from the commit of a to-private to that of the next to-shared nothing but the guest can
        reach the page's data
      found: page 1 is private and within reach by (a) a present PTE
      why it matters: on TDX, SNP and pKVM one access of the host to a private page can take down the machine
      vcpu                        host
      --------------------------  ----------------------------------------------------------------------------------
      [guest write 1] spte.clear: stage-2 leaf of page 1 cleared => OK
                                  [host read 1] pte.set: refcount of page 1: 1 -> 2, mapcount of page 1: 0 -> 1, PTE
                                    of page 1 set, content of page 1: 0x0 -> 0xA => 0xA
                                  [host read 5] pte.set: refcount of page 5: 1 -> 2, mapcount of page 5: 0 -> 1, PTE
                                    of page 5 set, content of page 5: 0x0 -> 0xA => 0xA
      [guest write 6] spte.clear: stage-2 leaf of page 6 cleared => OK
                                  [host read 6] pte.set: refcount of page 6: 1 -> 2, mapcount of page 6: 0 -> 1, PTE
                                    of page 6 set, content of page 6: 0x0 -> 0xA => 0xA
      [to-private 1] state.store: page 1 becomes private
      9 rows further from the violation left out; --format json has every step
      replay: foliobench explore planted-race --policy check-before-unmap --check refcount --replay "vcpu*18 host*8 vcpu*7 host host@vcpu vcpu*13"
      "
    `);
  });

  test('is as short in Markdown', () => {
    const lines = print(verdictOf(long), 'md').trimEnd().split('\n');
    expect(lines.length).toBe(20);
    expect(lines.slice(8)).toMatchInlineSnapshot(`
      [
        "| --- | --- |",
        "| [guest write 1] spte.clear: stage-2 leaf of page 1 cleared => OK |  |",
        "|  | [host read 1] pte.set: refcount of page 1: 1 -> 2, mapcount of page 1: 0 -> 1, PTE of page 1 set, content of page 1: 0x0 -> 0xA => 0xA |",
        "| [guest write 5] spte.clear: stage-2 leaf of page 5 cleared => OK |  |",
        "|  | [host read 5] pte.set: refcount of page 5: 1 -> 2, mapcount of page 5: 0 -> 1, PTE of page 5 set, content of page 5: 0x0 -> 0xA => 0xA |",
        "| [guest write 6] spte.clear: stage-2 leaf of page 6 cleared => OK |  |",
        "|  | [host read 6] pte.set: refcount of page 6: 1 -> 2, mapcount of page 6: 0 -> 1, PTE of page 6 set, content of page 6: 0x0 -> 0xA => 0xA |",
        "| [to-private 1] state.store: page 1 becomes private |  |",
        "",
        "8 rows further from the violation left out; --format json has every step",
        "",
        "\`foliobench explore planted-race --policy check-before-unmap --check refcount --replay "vcpu*18 host*8 vcpu*7 host host@vcpu vcpu*13"\`",
      ]
    `);
  });

  test('of one long operation keeps what came last', () => {
    const steps = Array.from({ length: 60 }, (_, nth) => `vcpu step${nth}: refcount of page ${nth}: 1 -> 2; mapcount of page ${nth}: 0 -> 1`).join('\n');
    const lines = print(verdictOf(counterexampleOf(steps.replace('step0:', 'step0 [fork]:')))).trimEnd().split('\n');
    expect(lines.length).toBe(20);
    expect(lines[8]).toMatchInlineSnapshot(`"-------------------------------------------------------------------------------------------------------------"`);
    expect(lines.slice(-4, -2)).toMatchInlineSnapshot(`
      [
        "  refcount of page 57: 1 -> 2, mapcount of page 57: 0 -> 1; step58: refcount of page 58: 1 -> 2, mapcount of",
        "  page 58: 0 -> 1; step59: refcount of page 59: 1 -> 2, mapcount of page 59: 0 -> 1",
      ]
    `);
  });
});

describe('what has no race to show', () => {
  test('a verdict without a counterexample is told as such', () => {
    expect(print(verdictOf(null, { verdict: 'proved', expected: null, asExpected: null }))).toBe(
      `planted-race under check-before-unmap, check refcount: proved\n  world: ${world}; sequentially consistent\n  exhaustive: 781 states, 1234 transitions, depth 60\n`,
    );
  });

  test('what never happens has no table', () => {
    const never = counterexampleOf('', { rule: 'sometimes', sentence: 'what the file says can happen does, in some interleaving', what: '"vcpu.1 => OK" (x.yaml:12) never happens', why: 'a protocol that refuses everything is safe and useless', schedule: '' });
    expect(print(verdictOf(never, { verdict: 'differs' }))).toMatchInlineSnapshot(`
      "planted-race under check-before-unmap, check refcount: differs
      world: 2 pages in folios of order 0, 2 CPUs (1 vCPU), 1 process, flushes by IPI, patience 0; exhaustive: 781
        states; as expected
      violated: sometimes: what the file says can happen does, in some interleaving
      found: "vcpu.1 => OK" (x.yaml:12) never happens
      why it matters: a protocol that refuses everything is safe and useless
      replay: foliobench explore planted-race --policy check-before-unmap --check refcount --replay "vcpu*18 host*8 vcpu*7 host host@vcpu vcpu*13"
      "
    `);
    expect(print(verdictOf(never, { verdict: 'differs' }), 'md')).toMatchInlineSnapshot(`
      "**planted-race under check-before-unmap, check refcount: differs**

      - world: 2 pages in folios of order 0, 2 CPUs (1 vCPU), 1 process, flushes by IPI, patience 0; exhaustive: 781 states; as expected
      - violated: sometimes: what the file says can happen does, in some interleaving
      - found: "vcpu.1 => OK" (x.yaml:12) never happens
      - why it matters: a protocol that refuses everything is safe and useless

      \`foliobench explore planted-race --policy check-before-unmap --check refcount --replay "vcpu*18 host*8 vcpu*7 host host@vcpu vcpu*13"\`
      "
    `);
  });

  test('a replay in which nothing is violated says so', () => {
    const harmless = counterexampleOf('vcpu state.store [to-private 0]: page 0 becomes private => OK', { rule: '', sentence: '', what: '', why: '' });
    expect(print(verdictOf(harmless)).split('\n').slice(0, 5)).toEqual([
      'planted-race under check-before-unmap, check refcount: nothing is violated after a single step',
      `world: ${world}`,
      'vcpu',
      '--------------------------------------------------------',
      '[to-private 0] state.store: page 0 becomes private => OK',
    ]);
  });
});

test('six threads fit as well', () => {
  const threads = ['vcpu', 'vcpu1', 'host', 'host1', 'other', 'device0'];
  const text = threads.map((thread) => `${thread} pageCache.insert [host read 0]: page 0 enters the page cache; refcount of page 0: 0 -> 2`).join('\n');
  expect(print(verdictOf(counterexampleOf(text, { threads })))).toMatchInlineSnapshot(`
    "planted-race under check-before-unmap, check refcount: broken after 6 sequentially consistent steps
    world: 2 pages in folios of order 0, 2 CPUs (1 vCPU), 1 process, flushes by IPI, patience 0; exhaustive up to
      the finding: 781 states; as expected
    violated: no-exposure: from the commit of a to-private to that of the next to-shared nothing but the guest can
      reach the page's data
    found: page 0 is private and within reach by (c) a reference whose holder may touch data
    why it matters: on TDX, SNP and pKVM one access of the host to a private page can take down the machine
    vcpu      vcpu1     host      host1     other     device0
    --------  --------  --------  --------  --------  ------------------------------------------------------------
    [host read 0] pageCache.insert: page 0 enters the page cache, refcount of page 0: 0 -> 2
              [host read 0] pageCache.insert: page 0 enters the page cache, refcount of page 0: 0 -> 2
                        [host read 0] pageCache.insert: page 0 enters the page cache, refcount of page 0: 0 -> 2
                                  [host read 0] pageCache.insert: page 0 enters the page cache, refcount of page
                                    0: 0 -> 2
                                            [host read 0] pageCache.insert: page 0 enters the page cache, refcount
                                              of page 0: 0 -> 2
                                                      [host read 0] pageCache.insert: page 0 enters the page
                                                        cache, refcount of page 0: 0 -> 2
    replay: foliobench explore planted-race --policy check-before-unmap --check refcount --replay "vcpu*18 host*8 vcpu*7 host host@vcpu vcpu*13"
    "
  `);
});

test('whatever the trace, there are at most 20 lines, of at most 110 columns as text but for the command', () => {
  const threads = ['vcpu', 'host', 'other', 'device0'];
  const change = fc.constantFrom('page 1 becomes private', 'refcount of page 0: 2 -> 3', 'refcount of page 0: 3 -> 2', 'interrupts off', 'interrupts on', 'asks host, other to flush', 'VMA over pages 2..3 in mapping 1 of process 1 leaves i_mmap');
  const lock = fc.constantFrom('takes invalidate_lock (write)', 'drops invalidate_lock', 'takes page-table lock of pages 0..1');
  const step = fc.record(
    { thread: fc.nat(threads.length - 1), step: fc.constantFrom('a', 'invalidate.writeLock', 'ack(vcpu)'), changes: fc.array(change, { maxLength: 3 }), locks: fc.array(lock, { maxLength: 1 }), begins: fc.constant('to-private 0..1'), ends: fc.constant('EAGAIN at 1') },
    { requiredKeys: ['thread', 'step', 'changes', 'locks'] },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.constantFrom<Verdict['verdict']>('broken', 'stuck'), (steps, verdict) => {
      const cell = verdictOf({ ...counterexampleOf('', { threads }), steps }, { verdict });
      const lines = print(cell).trimEnd().split('\n');
      expect(lines.length).toBeLessThanOrEqual(20);
      expect(Math.max(...lines.slice(0, -1).map(({ length }) => length))).toBeLessThanOrEqual(110);
      expect(print(cell, 'md').trimEnd().split('\n').length).toBeLessThanOrEqual(20);
      expect(print(cell)).not.toContain('undefined');
    }),
  );
});
