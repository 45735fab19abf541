import { beforeAll, describe, expect, test } from 'vitest';
import { flatCosts } from '../../test/tools/flatCosts.ts';
import { explainPolicy, type ExplainedStep, type Explanation } from '../harness/explanation.ts';
import { policies } from '../policies/index.ts';
import { formatExplanation } from './explain.ts';
import { foldRounds } from './rounds.ts';

/** With prices of 1 ns, so that no profile can change it. */
function explain(name: string, vmas = 1): Promise<Explanation> {
  const policy = policies.find((one) => one.name === name);
  if (policy === undefined) throw new Error(`no policy ${name}`);
  return explainPolicy({ policy, costs: flatCosts(), folio: '4K', vmas, safety: (_, check) => (check === 'mapcount' ? 'broken: gup-fast-pin' : 'proved'), verdicts: undefined });
}

let sigbus: Explanation;
beforeAll(async () => {
  sigbus = await explain('sigbus-on-fault');
});

const section = (text: string, from: string, to: string) => text.slice(text.indexOf(from), text.indexOf(to));

describe('an explanation of sigbus-on-fault', () => {
  test('as text: the argument', () => {
    expect(section(formatExplanation(sigbus, 'text'), 'sigbus', 'to-private:')).toMatchInlineSnapshot(`
      "sigbus-on-fault, check refcount
      Map anything; a host fault on a private page is SIGBUS; convert only when no unexpected reference remains.

      the argument
      ------------
      Idea: the kernel unmaps the range itself, then converts only where nobody but the page cache holds a folio; a private
        page cannot be faulted.
      Price: one zap and one flush a VMA, a refault a page after to-shared; a pin makes the VMM retry.
      For:
      - David Hildenbrand (27 Feb 2024): simple, easier and harder to mess up; other faults end in SIGBUS already
      - David Hildenbrand (28 Feb 2024): user space should not access that memory; if it does, it gets a slap on the hand
      Against:
      - Elliot Berman (27 Feb 2024): a crash where an early error could have been
      - Quentin Perret (28 Feb 2024): with lazy donation user space cannot know which page is private; a permission problem
        should be SIGSEGV
      Sources:
      - linux-mm, "Re: folio_mmapped", 27 Feb 2024: http://mail.spinics.net/lists/linux-mm/msg375254.html
      - linux-mm, "Re: folio_mmapped", 28 Feb 2024

      both sides of the contract, beside the steps
      --------------------------------------------
      - kernel: mmap is never refused for privacy
      - kernel: GUP of shared pages is allowed
      - VMM: after EAGAIN it asks again, with back-off

      what no source fixes
      --------------------
      - kernelUnmaps: true (or --choose sigbus-on-fault.kernelUnmaps=false): who unmaps before a to-private; the mails leave
        it open. false: the kernel does not, a page that is mapped is EAGAIN, and the VMM unmaps before it asks and maps again
        afterwards

      the scene of the steps
      ----------------------
      A file of 512 pages in folios of 4K, all of it shared but for what is converted; page 5 is mapped and dirty in 1 mapping
        of the VMM's process and mapped in stage-2, and no LRU batch holds it; 2 vCPUs, the other one idle, and a thread of
        the VMM; nobody else is at work. Prices: flat, hash flat-1.
      Locks, held after the step, outermost first: M mmap_lock, I invalidate_lock, F folio lock, R i_mmap_rwsem, P page-table
        lock, K mmu_lock; a small letter is held for reading. After the step: host = present entries of the host (+ cleared
        ones that a TLB may still have); guest = stage-2 maps the page; refs = the folio's refcount. In brackets: what other
        CPUs do for it.

      "
    `);
  });

  test('as text: the to-private', () => {
    expect(section(formatExplanation(sigbus, 'text'), 'to-private:', 'to-shared:')).toMatchInlineSnapshot(`
      "to-private: a vCPU asks to have page 5 private
      ----------------------------------------------
      step                      else                  locks  host  guest  state    refs  ns  operations
      (before)                                                  1  yes    shared      2
      convertRequest:
        request.begin                                           1  yes    shared      2   1  vm.exit
        user.exit                                               1  yes    shared      2   1  user.exit
        attempt                 or ioctl.enterShared            1  yes    shared      2
        ioctl.enter             or ioctl.leave                  1  yes    shared      2   1  syscall
        kernel.toPrivate                                        1  yes    shared      2
        toPrivate:
          invalidate.writeLock  waits                 I         1  yes    shared      2   1  lock.invalidate
          state.readRange       or invalidate.unlock  I         1  yes    shared      2   1  state.read
          state.prealloc                              I         1  yes    shared      2   1  state.prealloc
          walk.folios                                 I         1  yes    shared      2
          iMmap.readLock        waits                 I r       1  yes    shared      2   3  lock.iMmap, vma.lookup, rmap.walk
          rmap.nextVma          or iMmap.readUnlock   I r       1  yes    shared      2   1  vma.visit
          notifier.begin                              I r       1  yes    shared      2   1  notifier
          zap.table             or notifier.end       I r       1  yes    shared      2
          ptl.lock              waits                 I r P     1  yes    shared      2   1  lock.pageTable
          pte.clear                                   I r P   0+1  yes    shared      2   2  pte.check, pte.zap
          rmap.remove           or pte.clear          I r P   0+1  yes    shared      2
          dirty                 or ptl.unlock         I r P   0+1  yes    shared      2
          dirty.send            or ptl.unlock         I r P   0+1  yes    shared      2   5  tlb.flush, tlb.flushEntry, 2 x
                                                                                               tlb.ipi, [2 x tlb.interrupt]
          dirty.wait            waits                 I r P     0  yes    shared      2
          rmap.removeDelayed                          I r P     0  yes    shared      2
          ptl.unlock            or zap.table          I r       0  yes    shared      2
          dirty.put                                   I r       0  yes    shared      1   1  folio.put
          zap.table             or notifier.end       I r       0  yes    shared      1
          notifier.end                                I r       0  yes    shared      1
          tlb.send              or gather.done        I r       0  yes    shared      1
          gather.done                                 I r       0  yes    shared      1
          rmap.nextVma          or iMmap.readUnlock   I r       0  yes    shared      1
          iMmap.readUnlock                            I         0  yes    shared      1
          check.begin                                 I         0  yes    shared      1
          folio.lookupGet                             I         0  yes    shared      2   1  pageCache.lookup
          folio.readRef         or lru.drain          I         0  yes    shared      2   1  folio.readRef
          folio.put             or folio.lookupGet    I         0  yes    shared      1   1  folio.put
          check.done                                  I         0  yes    shared      1
          mmuLock.write         waits                 I K       0  yes    shared      1   1  lock.mmu
          seq.begin                                   I K       0  yes    shared      1
          spte.clear            or spte.clear         I K       0  no     shared      1   1  stage2.zap
          kick.send                                   I K       0  no     shared      1   2  stage2.kick, [stage2.interrupt]
          kick.wait             waits                 I K       0  no     shared      1
          mmuLock.unlock                              I         0  no     shared      1
          state.store                                 I         0  no     private     1   1  state.store
          seq.end                                     I         0  no     private     1
          invalidate.unlock                                     0  no     private     1
      convertRequest:
        ioctl.leave             or retryable                    0  no     private     1
        request.end                                             0  no     private     1
      In all 28 ns: exit 3, stage2 2, rmap 7, tlb 7, referenceWait 1, bookkeeping 8; on other CPUs 3 ns.
      Steps that this scene has no use for:
      - convertRequest: ioctl.enterShared (or ioctl.leave), kernel.toShared, retryable (or request.giveUp), backoff (or
        request.timeOut), retry (or attempt), request.timeOut, request.timedOut, request.giveUp, request.gaveUp
      - toPrivate: tlb.wait, gather.put, lru.drain (or refuse), lru.wait, refuse, folio.putRefused

      "
    `);
  });

  test('as text: the answers and the verdicts', () => {
    const text = formatExplanation(sigbus, 'text');
    expect(text.slice(text.indexOf('what it answers'))).toMatchInlineSnapshot(`
      "what it answers, one scene each
      -------------------------------
      - to-private while a short pin (O_DIRECT) is held for another 2 ms: EAGAIN; granted after 9 attempts; the page is
        private
      - to-private while a long-term pin is held (an io_uring fixed buffer): EAGAIN; the VMM asks again with back-off and
        gives up after 106 attempts in 100 ms; the page is still shared
      - to-private while a long-term pin is held whose VMA is gone: EAGAIN; the VMM asks again with back-off and gives up
        after 106 attempts in 100 ms; the page is still shared
      - to-private while a vmsplice holds the page (FOLL_GET) and its VMA is gone: EAGAIN; the VMM asks again with back-off
        and gives up after 106 attempts in 100 ms; the page is still shared
      - to-private while the page next to it is pinned: OK; granted at once; the page is private
      - to-private while a VMA covers the page, by a VMM that leaves its own routine out: OK; granted at once; the page is
        private
      - mmap of a private page: OK; the page is covered; an access to it is another matter
      - a store of the VMM to a private page that it tried to map: SIGBUS; the access is dropped and the thread goes on, where
        a real VMM may die
      - a short pin (O_DIRECT) of a shared page: OK; the holder reaches the page until it drops it
      - a long-term pin of a shared page: OK; the holder reaches the page until it drops it
      - a short pin of a private page: EFAULT; GUP holds nothing; no signal

      is it safe? the committed verdicts of foliobench explore
      --------------------------------------------------------
      - mapcount: broken: gup-fast-pin
      - mapped-or-pinned: proved
      - refcount: proved
      "
    `);
  });

  test('as Markdown: the mmap', () => {
    expect(section(formatExplanation(sigbus, 'md'), '## mmap', '## what it answers')).toMatchInlineSnapshot(`
      "## mmap: a thread of the VMM maps page 5 again, which it has unmapped before

      | step | else | locks | host | guest | state | refs | ns | operations |
      | --- | --- | --- | ---: | --- | --- | ---: | ---: | --- |
      | (before) |  |  | 0 | no | shared | 1 |  |  |
      | map: |  |  |  |  |  |  |  |  |
      | &nbsp;&nbsp;walk |  |  | 0 | no | shared | 1 |  |  |
      | &nbsp;&nbsp;call |  |  | 0 | no | shared | 1 |  |  |
      | &nbsp;&nbsp;mmapRange: |  |  |  |  |  |  |  |  |
      | &nbsp;&nbsp;&nbsp;&nbsp;mmap |  |  | 0 | no | shared | 1 | 2 | syscall, mmap |
      | &nbsp;&nbsp;&nbsp;&nbsp;mmapLock.write | waits, or mmap.refused | M | 0 | no | shared | 1 | 1 | lock.mmap |
      | &nbsp;&nbsp;&nbsp;&nbsp;vma.insert | or mmap.refused | M | 0 | no | shared | 1 | 3 | vma.insert, 2 x vma.merge |
      | &nbsp;&nbsp;&nbsp;&nbsp;iMmap.writeLock | waits | M R | 0 | no | shared | 1 | 1 | lock.iMmap |
      | &nbsp;&nbsp;&nbsp;&nbsp;iMmap.insert |  | M | 0 | no | shared | 1 |  |  |
      | &nbsp;&nbsp;&nbsp;&nbsp;mmapLock.unlock |  |  | 0 | no | shared | 1 |  |  |
      | map: |  |  |  |  |  |  |  |  |
      | &nbsp;&nbsp;result | or failed |  | 0 | no | shared | 1 |  |  |
      | &nbsp;&nbsp;done |  |  | 0 | no | shared | 1 |  |  |

      In all 7 ns: vmm 7.

      Steps that this scene has no use for:

      - map: failed
      - mmapRange: mmap.refused, mmapLock.unlockRefused

      "
    `);
  });

  test('as a Mermaid sequence diagram', () => {
    expect(formatExplanation(sigbus, 'mermaid')).toMatchInlineSnapshot(`
      "sequenceDiagram
          participant G as guest
          participant V as VMM
          participant K as kernel
          participant O as other CPUs
          G->>K: request.begin
          K->>V: user.exit
          V->>K: ioctl.enter
          K->>K: invalidate.writeLock, state.readRange, state.prealloc, iMmap.readLock, rmap.nextVma, notifier.begin, ptl.lock, pte.clear
          Note over K: host entries 1 to 0, 1 may be in TLBs
          K->>O: dirty.send, 2 x tlb.ipi
          O-->>K: 2 x tlb.interrupt
          K->>K: dirty.wait
          Note over K: no TLB has it
          K->>K: dirty.put
          Note over K: refcount 2 to 1
          K->>K: folio.lookupGet
          Note over K: refcount 1 to 2
          K->>K: folio.readRef, folio.put
          Note over K: refcount 2 to 1
          K->>K: mmuLock.write, spte.clear
          Note over K: stage-2 does not map it
          K->>O: kick.send, stage2.kick
          O-->>K: stage2.interrupt
          K->>K: state.store
          Note over K: the page is private
          K-->>V: ioctl.leave
          V-->>G: request.end
      "
    `);
  });

  test('as JSON is the explanation itself', () => {
    expect(JSON.parse(formatExplanation(sigbus, 'json'))).toEqual(JSON.parse(JSON.stringify(sigbus)));
  });
});

describe('any explanation', () => {
  test.each(policies.map(({ name }) => [name]))('of %s has lines of a readable length, and ends in one newline', async (name) => {
    const text = formatExplanation(await explain(name, 3), 'text');
    expect(text.split('\n').filter((line) => line.length > 124)).toEqual([]);
    expect(text).toMatch(/[^\n]\n$/);
    expect(formatExplanation(await explain(name), 'mermaid')).toMatch(/^sequenceDiagram\n {4}participant G as guest\n/);
  });

  test('tells a VMM that does its own part, with its calls and returns', async () => {
    expect(formatExplanation(await explain('folio-mmapped'), 'mermaid').match(/^ {4}[VKG]-?->>[VKG]: .*$/gm)?.filter((line) => !/(\w)->>\1/.test(line))).toEqual([
      '    G->>K: request.begin',
      '    K->>V: user.exit',
      '    V->>K: munmap',
      '    K-->>V: back in beforeToPrivate',
      '    V->>K: ioctl.enter',
      '    K-->>V: ioctl.leave',
      '    V-->>G: request.end',
    ]);
  });
});

describe('rounds of a loop', () => {
  const view = { hostEntries: 0, staleEntries: 0, guest: false, state: 'shared', refcount: 1 } as const;
  const step = (name: string, ns = 1): ExplainedStep => ({
    routine: 'r', name, depth: 0, waits: false, otherwise: null, calls: null, locks: [], operations: {}, ns, others: {}, othersNs: 0, view,
  });
  const shape = (names: string) => foldRounds([...names].map((name) => step(name))).map((one) => ('times' in one ? `(${one.times} x ${one.steps}: ${one.ns} ns)` : one.name)).join('');

  test.each([
    ['abab', 'abab'],
    ['aaa', 'a(1 x 1: 1 ns)a'],
    ['xababababy', 'xab(2 x 2: 4 ns)aby'],
    ['abcabcabcab', 'abc(1 x 3: 3 ns)abcab'],
    ['aabaabaab', 'aab(1 x 3: 3 ns)aab'],
    ['', ''],
  ])('%j is told as %j', (names, told) => {
    expect(shape(names)).toBe(told);
  });

  test('end as the last of them has left the page', () => {
    const steps = [4, 3, 2, 1].map((hostEntries) => ({ ...step('a'), view: { ...view, hostEntries } }));
    expect(foldRounds(steps)[1]).toEqual({ steps: 1, times: 2, ns: 2, view: { ...view, hostEntries: 2 } });
  });

  test('are told by the text and by the diagram', async () => {
    const many = await explain('sigbus-on-fault', 16);
    expect(formatExplanation(many, 'text').match(/^\.\.\. these .*$/m)?.[0]).toMatchInlineSnapshot(`"... these 16 steps        14 times more                   1  yes    shared      2  154"`);
    expect(formatExplanation(many, 'mermaid')).toContain('14 times more');
  });
});
