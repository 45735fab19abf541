/**
 * Counterexamples written down as text, a line a step: `thread step [operation that begins]: change; change {lock; lock} => how it ends`.
 */
import type { Counterexample, TraceStep } from '../../src/explore/verdict.ts';

const LINE = /^(?<thread>\S+) (?<step>[^\s:]+)(?: \[(?<begins>[^\]]*)\])?(?:: (?<changes>.*?))?(?: \{(?<locks>.*)\})?(?: => (?<ends>.*))?$/;

/** @throws Error for a line that is no step of one of the threads */
export function stepsOf(threads: readonly string[], text: string): readonly TraceStep[] {
  const lines = text.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  return lines.map((line) => {
    const { thread = '', step = '', begins, changes, locks, ends } = LINE.exec(line)?.groups ?? {};
    if (!threads.includes(thread)) throw new Error(`no step of ${threads.join(', ')}: ${line}`);
    return {
      thread: threads.indexOf(thread),
      step,
      ...(begins === undefined ? {} : { begins }),
      ...(ends === undefined ? {} : { ends }),
      changes: changes?.split('; ') ?? [],
      locks: locks?.split('; ') ?? [],
    };
  });
}

/** A counterexample to "no-exposure", with the steps that are written down. */
export function counterexampleOf(text: string, { threads = ['vcpu', 'host'], ...rest }: Partial<Counterexample> = {}): Counterexample {
  return {
    rule: 'no-exposure',
    sentence: "from the commit of a to-private to that of the next to-shared nothing but the guest can reach the page's data",
    what: 'page 0 is private and within reach by (c) a reference whose holder may touch data',
    why: 'on TDX, SNP and pKVM one access of the host to a private page can take down the machine',
    threads,
    steps: stepsOf(threads, text),
    schedule: 'vcpu*18 host*8 vcpu*7 host host@vcpu vcpu*13',
    ...rest,
  };
}

/** GUP-fast of a mapped page against a conversion that reads the references before it unmaps. */
export const PIN_BETWEEN_CHECK_AND_UNMAP = `
  vcpu request.begin [to-private 0]
  vcpu user.exit
  vcpu attempt
  vcpu ioctl.enter
  vcpu invalidate.writeLock {takes invalidate_lock (write)}
  vcpu state.readRange
  vcpu state.prealloc
  vcpu walk.folios
  vcpu check.begin
  vcpu folio.lookupGet: refcount of page 0: 2 -> 3
  vcpu folio.readRef
  vcpu folio.put: refcount of page 0: 3 -> 2
  vcpu check.done
  vcpu iMmap.readLock {takes i_mmap_rwsem (read)}
  vcpu rmap.nextVma
  vcpu notifier.begin
  vcpu zap.table
  vcpu ptl.lock {takes page-table lock of pages 0..1}
  host io.submit [pin 0 as a short fast]
  host io.begin
  host fast
  host irq.off: interrupts off
  host pte.read
  host folio.tryGet: refcount of page 0: 2 -> 3
  host folio.addPin: refcount of page 0: 3 -> 1026 (pinned)
  host pte.reread
  vcpu pte.clear: PTE of page 0 cleared (stale TLB)
  vcpu rmap.remove: mapcount of page 0: 1 -> 0
  vcpu dirty
  vcpu ptl.unlock {drops page-table lock of pages 0..1}
  vcpu zap.table
  vcpu notifier.end
  vcpu tlb.send: asks host to flush
  host irq.on: buffer a holds page 0 (pin); interrupts on
  host ack(vcpu): flushes its TLB for vcpu
  vcpu tlb.wait: PTE of page 0 flushed
  vcpu gather.put: refcount of page 0: 1026 -> 1025
  vcpu gather.done
  vcpu rmap.nextVma
  vcpu iMmap.readUnlock {drops i_mmap_rwsem}
  vcpu mmuLock.write {takes mmu_lock (write)}
  vcpu seq.begin: stage-2 invalidation begins
  vcpu spte.clear
  vcpu kick.send
  vcpu kick.wait
  vcpu mmuLock.unlock {drops mmu_lock}
  vcpu state.store: page 0 becomes private
`;

/** A conversion that waits for a pin to go while it holds invalidate_lock, and a fault that will wait for the lock. */
export const WAITS_UNDER_LOCK = `
  vcpu request.begin [to-private 0]
  vcpu ioctl.enter
  vcpu invalidate.writeLock {takes invalidate_lock (write)}
  vcpu iMmap.readLock {takes i_mmap_rwsem (read)}
  vcpu iMmap.readUnlock {drops i_mmap_rwsem}
  vcpu folio.lookupGet: refcount of page 0: 1025 -> 1026
  host host.access [host read 1]
  host host.fault
  host mmapLock.read {takes mmap_lock (read)}
  host pte.readNone
`;
