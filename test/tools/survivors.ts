/**
 * Why each mutant that the library does not kill survives: the two steps commute, or what they change nobody can see.
 *
 * A reason is for every policy and list that it names. Each survivor has exactly one, and no reason is without a survivor
 * (`npm run mutants`, test/mutants.test.ts): one that a new litmus file kills goes from here.
 */
import { complaintsOf, fitting } from './reasons.ts';
import type { Reason as ReasonOf } from './reasons.ts';
import type { ListName, Mutant } from './mutation.ts';

/** For all shipped policies where it names none. */
export type Reason = ReasonOf<ListName>;

/** Policies of which the kernel unmaps by itself, and those of which it asks for mappings and refuses. */
const UNMAPPING: readonly string[] = ['sigbus-on-fault', 'disallow-gup', 'split-4k', 'sigsegv-on-fault', 'in-place', 'wait-for-pins', 'read-only-shared', 'split-4k-lazy'];
const REFUSING: readonly string[] = ['folio-mmapped', 'refuse-mmap'];

const BOTH = ['toPrivate', 'toShared'] as const;

export const reasons: readonly Reason[] = [
  {
    lists: BOTH,
    pairs: [['state.readRange', 'state.prealloc']],
    because: 'they commute: state.prealloc only charges. A request that finds nothing to do pays for it, and no litmus has prices',
  },
  {
    lists: ['toPrivate'],
    pairs: [['state.prealloc', 'walk.folios']],
    because: 'they commute: state.prealloc only charges, walk.folios only sets locals',
  },
  {
    policies: ['folio-put-callback', 'separate-shared-memory'],
    lists: ['toPrivate'],
    pairs: [['state.prealloc', 'mmuLock.write']],
    because: 'they commute: state.prealloc only charges, and needs no lock for that',
  },
  {
    policies: ['folio-put-callback'],
    lists: ['toPrivate'],
    pairs: [['seq.begin', 'spte.clear']],
    because:
      'nobody can see it: both are under mmu_lock, which a fault needs to look at the sequence. spte.clear finds its cursor, which seq.begin would have set, at page 0, and clears ' +
      'leaves below the range as well, which the guest faults in again; the look at the folios sets a cursor of its own',
  },
  {
    policies: ['folio-put-callback'],
    lists: ['toPrivate'],
    pairs: [['mmuLock.unlock', 'pages']],
    because: 'they commute: the one only drops a lock, and the other only sets locals, from locals',
  },
  {
    policies: ['folio-put-callback'],
    lists: ['toShared'],
    pairs: [['mmuLock.unlock', 'callbacks']],
    because: 'they commute: the one only drops a lock, and the other only sets locals, from locals',
  },
  {
    lists: ['toShared'],
    pairs: [['state.prealloc', 'mmuLock.write']],
    because: 'they commute: state.prealloc only charges, and needs no lock for that',
  },
  {
    policies: REFUSING,
    lists: ['toPrivate'],
    pairs: [['walk.folios', 'iMmap.readLock'], ['iMmap.readUnlock', 'check.begin']],
    because: 'they commute: the one only sets locals, from locals, and the other only takes or drops a lock, which here sets none',
  },
  {
    policies: UNMAPPING,
    lists: ['toPrivate'],
    pairs: [['dirty.wait', 'rmap.removeDelayed']],
    because:
      'nobody can see it: the mapping count of a dirty entry drops before its flush is over, under the same page-table lock. Who decides by mapping counts ' +
      '(a conversion under a weaker check, a punch) needs invalidate_lock, which the zap holds. A store through a TLB that is not flushed yet ' +
      'ends one step earlier, and one that comes before that step ends as it would have ended',
  },
  {
    policies: [...UNMAPPING, 'migrate-like'],
    lists: ['toPrivate'],
    pairs: [['ptl.unlock', 'dirty.put']],
    because:
      'they commute: references drop under the page-table lock in place of behind it, and who decides by a refcount (a conversion, a punch) needs invalidate_lock, ' +
      'which the zap holds. ptl.unlock finds the gather empty and goes on at zap.table by itself, where the step behind dirty.put leads',
  },
  {
    policies: [...UNMAPPING, 'migrate-like'],
    lists: ['toPrivate'],
    pairs: [['gather.put', 'gather.done']],
    because: 'they commute: gather.done does nothing. Who comes to it from tlb.send now puts a gather that is empty, which does nothing either',
  },
  {
    policies: ['migrate-like'],
    lists: ['toPrivate'],
    pairs: [['dirty.wait', 'rmap.removeDelayed']],
    because:
      'nobody can see it: the mapping count of an entry that was replaced drops before its flush is over, under the same page-table lock. Who decides by mapping counts ' +
      'needs invalidate_lock, which the walk holds; what a TLB still serves follows from the migration entry',
  },
  {
    policies: ['wait-for-pins', 'migrate-like'],
    lists: ['toPrivate'],
    pairs: [['rmap.removeDelayed', 'ptl.unlock']],
    because:
      'nobody can see it: who takes the page-table lock in between finds no present entry there. Only a fault would set it again, which other policies show; here those in ' +
      'flight were waited for before the walk, and all others wait until the conversion is over',
  },
  {
    policies: ['wait-for-pins'],
    lists: ['toPrivate'],
    pairs: [['to folio.readRef', 'folio.waitRef']],
    because:
      'nobody can see it: behind the drain it waits where it would have read first, and reads once more what it has waited for. Both ask the same of the same counts',
  },
  {
    policies: ['wait-for-pins'],
    lists: ['toPrivate'],
    pairs: [['folio.waitRef', 'to folio.put'], ['to folio.put', 'folio.rereadRef']],
    because:
      'nobody can see it: what the wait has found unused is read once more. A reference that GUP-fast takes and drops in between makes that refuse, as the end of the ' +
      'limit does, which without clocks may come at any moment',
  },
  {
    policies: ['wait-for-pins'],
    lists: ['toPrivate'],
    pairs: [['folio.rereadRef', 'to folio.put']],
    because:
      'nobody can see it: after the limit it refuses without a last look. Where that look would have found the folio unused, a limit that passes a moment earlier refuses ' +
      'it as well, and without clocks any moment will do',
  },
  {
    policies: ['migrate-like'],
    lists: ['toPrivate'],
    pairs: [['state.prealloc', 'pass']],
    because: 'they commute: state.prealloc only charges, pass only sets locals',
  },
  {
    policies: ['migrate-like'],
    lists: ['toPrivate'],
    pairs: [['dirty', 'dirty.send']],
    because: 'they ask the same: every table in which an entry was replaced is to be flushed under its lock, whether the entry was dirty or not',
  },
  {
    policies: ['migrate-like'],
    lists: ['toPrivate'],
    pairs: [['tlb.wait', 'gather.put']],
    because: 'neither is ever taken: entries that become migration entries are flushed under the page-table lock, so that nothing is left in the gather',
  },
  {
    policies: ['migrate-like'],
    lists: ['toPrivate'],
    pairs: [['folio.unfreeze', 'restore']],
    because: 'they commute: restore only sets the walk, which folio.unfreeze does not look at',
  },
  {
    policies: ['read-only-shared'],
    lists: ['toShared'],
    pairs: [['state.prealloc', 'state.readPrivate']],
    because: 'they commute: state.prealloc only charges. A request that changes nothing for the guest pays for it or not, and no litmus has prices',
  },
  {
    policies: ['read-only-shared'],
    lists: ['toShared'],
    pairs: [['to invalidate.unlock', 'state.lift']],
    because: 'nobody can see it: the store has lifted the third state already, which state.lift does once more',
  },
  {
    policies: ['read-only-shared'],
    lists: ['toReadOnly'],
    pairs: [['state.readRange', 'state.prealloc'], ['state.prealloc', 'walk.folios']],
    because: 'they commute: state.prealloc only charges, and no litmus has prices',
  },
  {
    policies: ['read-only-shared'],
    lists: ['toReadOnly'],
    pairs: [['walk.folios', 'faults'], ['faults', 'folio.wait']],
    because:
      'nobody can see it: the wait for faults in flight begins at the first folio of the file in place of that of the range. Those below the range are waited for as well, ' +
      'and end by themselves',
  },
  {
    policies: ['read-only-shared'],
    lists: ['toReadOnly'],
    pairs: [['notifier.end', 'tlb.send']],
    because:
      'nobody can see it: no flush is sent then, since protect.table leads behind it. What a TLB that is not flushed lets the host write is not modelled, as the header of ' +
      'src/model/readOnly.ts says',
  },
  {
    policies: ['exclusive-pin'],
    lists: ['toPrivate'],
    pairs: [['state.prealloc', 'range']],
    because: 'they commute: state.prealloc only charges, range only sets locals',
  },
  {
    policies: ['exclusive-pin'],
    lists: ['toPrivate'],
    pairs: [['seq.end', 'range.end']],
    because: 'they commute: seq.end only ends the invalidation, range.end only sets a local',
  },
  {
    policies: ['exclusive-pin'],
    lists: ['toPrivate'],
    pairs: [['range.end', 'pin.settle']],
    because: 'nobody can see it: the stage-2 zap has left the cursor at the end of the range already, where range.end would set it for pin.settle',
  },
  {
    policies: ['exclusive-pin'],
    lists: ['toShared'],
    pairs: [['state.store', 'pin.drop'], ['pin.drop', 'seq.end']],
    because: 'they commute: pin.drop only charges. A page that is shared has no exclusive pin, as the store says',
  },
  {
    lists: BOTH,
    pairs: [['mmuLock.write', 'seq.begin']],
    because:
      'nobody can see it: a vCPU that is past its look at the sequence holds mmu_lock, installs its leaf, and the zap that waits for the lock clears it; any other vCPU is only ' +
      'told earlier to start again. (In the kernel the lock also keeps two from counting at once; here a step is one, and invalidate_lock keeps others out)',
  },
  {
    lists: ['toShared'],
    pairs: [['seq.begin', 'spte.clear']],
    because:
      'nobody can see it: both are under mmu_lock, which a fault needs to look at the sequence. spte.clear finds its cursor, which seq.begin would have set, at page 0, and clears ' +
      'leaves below the range as well: the guest faults them in again, and no litmus has prices',
  },
  {
    lists: BOTH,
    pairs: [['spte.clear', 'kick.send']],
    because:
      'nobody can see it: kick.send asks whether the zap has cleared anything, which it has not yet, so that no vCPU is ever kicked. A kick empties the guest TLB, and the model has none: ' +
      'its guest looks at the leaf at every access',
  },
  {
    lists: BOTH,
    pairs: [['kick.wait', 'mmuLock.unlock']],
    because:
      'nobody can see it: who gets mmu_lock before all vCPUs have left the guest finds the invalidation open, and starts again. The store comes after both',
  },
  {
    lists: BOTH,
    pairs: [['mmuLock.unlock', 'state.store']],
    because:
      'they commute: nobody looks at the attribute under mmu_lock alone before the invalidation has ended, and all others need invalidate_lock, which is held over both',
  },
  {
    lists: BOTH,
    pairs: [['state.store', 'seq.end']],
    because:
      'nobody can see it: a guest fault takes its snapshot of the sequence before invalidate_lock. One that took it before seq.begin was told there to start again; one that took it later ' +
      'waits for the lock, which is held over both',
  },
  {
    policies: ['separate-shared-memory'],
    lists: ['toPrivate'],
    pairs: [['seq.begin', 'spte.clear']],
    because:
      'nobody can see it: both are under mmu_lock, which a fault needs to look at the sequence. spte.clear finds its cursor, which seq.begin would have set, at page 0, and clears ' +
      'leaves below the range as well, which the guest faults in again',
  },
  {
    policies: ['separate-shared-memory'],
    lists: BOTH,
    pairs: [['kick.send', 'kick.wait']],
    because:
      'nobody can see it: the calls of these kicks are waited for with those of the punch that follows. A kick empties the guest TLB, and the model has none: its guest looks at the leaf at ' +
      'every access',
  },
  {
    policies: ['separate-shared-memory'],
    lists: ['vmm.afterRequest'],
    pairs: [['vmm.granted', 'vmm.unused']],
    because: 'they commute: no request is refused here, so that vmm.granted always goes on with the step behind it, and discardPrivate is only called where it would have been',
  },
  {
    policies: ['separate-shared-memory'],
    lists: ['vmm.afterRequest'],
    pairs: [['vmm.unused', 'fallocate'], ['fallocate', 'invalidate.writeLock']],
    because: 'they commute: fallocate only charges and clears a flag of its own task, which discardPrivate clears again; vmm.unused does not look at it, and neither does the lock',
  },
  {
    policies: ['separate-shared-memory'],
    lists: ['vmm.afterRequest'],
    pairs: [['mmuLock.write', 'seq.begin'], ['seq.begin', 'spte.clear'], ['spte.clear', 'kick.send'], ['kick.wait', 'mmuLock.unlock']],
    because:
      'nobody can see it: when the attribute was stored the leaves to the memory that is punched had been cleared, and no fault sets one for a page whose attribute names the other memory. ' +
      'The zap of the punch finds none, whatever its cursor, nobody is kicked, and a fault that it meets only starts again',
  },
  {
    policies: ['separate-shared-memory'],
    lists: ['vmm.afterRequest'],
    pairs: [['dirty.wait', 'rmap.removeDelayed'], ['rmap.removeDelayed', 'ptl.unlock'], ['ptl.unlock', 'dirty.put'], ['gather.put', 'gather.done']],
    because:
      'nobody can see it: the walk is over one folio, whose lock the punch holds and on which it has a reference. A fault would need that lock to set the entry again, and nobody else decides ' +
      'by the counts of the folio: who does needs invalidate_lock, which is held. gather.done does nothing',
  },
  {
    policies: ['separate-shared-memory'],
    lists: ['vmm.afterRequest'],
    pairs: [['folio.unlock', 'folio.put']],
    because: 'they commute: the folio is out of the file when its last reference drops, so that nobody comes to its lock any more',
  },
  {
    policies: ['split-4k-lazy'],
    lists: ['toPrivate'],
    pairs: [['seq.begin', 'spte.clear']],
    because:
      'nobody can see it: spte.clear finds its cursor behind the range, where the look at the folios has left it, and clears nothing. What has a shared page is in pieces, so that the ' +
      'leaves that stay are small ones, and lead the guest to the frames that it would fault in again; a large leaf over private and shared pages, by which others are noticed, there is none',
  },
  {
    policies: ['split-4k-lazy'],
    lists: ['toPrivate'],
    pairs: [['state.store', 'merge.begin']],
    because: 'they commute: merge.begin only sets locals, from locals',
  },
  {
    policies: ['split-4k-lazy'],
    lists: ['toPrivate'],
    pairs: [['merge.begin', 'merge.next'], ['merge.next', 'folio.freeze'], ['folio.freeze', 'frozen'], ['folio.thaw', 'to merge.next']],
    because:
      'no result tells it: a folio that could be put together stays in pieces, since the walk ends before it, or nothing of it is found frozen. Pieces do what the whole does and ' +
      'cost more (struct pages, small leaves), and no litmus has prices; src/policies/conversion/split-4k-lazy.test.ts counts merges',
  },
  {
    policies: ['split-4k-lazy'],
    lists: ['toPrivate'],
    pairs: [['folio.merge', 'pageCache.insertLarge']],
    because: 'they commute: folio.merge only charges, and moves a cursor that is at the head again when it begins',
  },
  {
    policies: ['split-4k-lazy'],
    lists: ['toPrivate'],
    pairs: [['to merge.next', 'folio.thaw']],
    because: 'nobody can see it: behind a merge the cursor is at the head, and folio.thaw finds no piece before it',
  },
  {
    policies: ['split-4k-lazy'],
    lists: ['toShared'],
    pairs: [['state.store', 'split.begin']],
    because: 'they commute: split.begin only sets locals, from locals',
  },
  {
    policies: ['split-4k-lazy'],
    lists: ['toShared'],
    pairs: [['split.freeze', 'folio.split'], ['folio.split', 'pageCache.insertPieces']],
    because: 'they commute: folio.split only charges, and moves a cursor at which neither of the others looks',
  },
  {
    policies: ['folio-mmapped', 'folio-put-callback'],
    lists: ['vmm.beforeToPrivate'],
    pairs: [['window.unmapped', 'window.next']],
    because:
      'nobody can see it: the result of munmap is not asked for any more. Its only failure is ENOMEM, at 65530 VMAs, and a litmus has at most one VMA a page',
  },
];

/** The reasons that fit a mutant. */
export const reasonsFor = (mutant: Mutant): readonly Reason[] => fitting(reasons, mutant);

/** What is wrong with the reasons for these survivors: one that has none or several, a pair of a reason that fits none of them. */
export const complaintsAbout = (survivors: readonly Mutant[]): readonly string[] => complaintsOf(reasons, survivors, 'test/tools/survivors.ts');
