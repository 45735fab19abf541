/** Why mutants of the routines of the family `unsharing` survive its litmus files (test/tools/familySurvivors.ts). */
import type { FamilyReason } from './reasons.ts';

const UNSHARING: readonly string[] = ['unshare-and-pin'];

export const unsharingReasons: readonly FamilyReason[] = [
  {
    policies: UNSHARING,
    lists: ['gup'],
    pairs: [['mm.born', 'gup.begin']],
    kind: 'birth',
    same: true,
    because: 'threads of a process that is not there do not run; gup.begin sets locals, and a buffer that nobody compares before it has a page',
  },
  {
    policies: UNSHARING,
    lists: ['fork'],
    pairs: [['mm.born', 'child.conceive'], ['child.conceive', 'mmapLock.write']],
    kind: 'birth',
    same: true,
    because:
      'threads of a process that is not there do not fork, and a fork does not wait for the place of its child: files name processes, and a kernel makes new ones. ' +
      'The exit that it waits for takes the locks of the process that exits, and not the mmap_lock that is held now',
  },
  {
    policies: UNSHARING,
    lists: ['swapOut'],
    pairs: [['mm.born', 'lru.isolate']],
    kind: 'birth',
    because: 'reclaim waits for no process: of one that is not there it finds no page, and is done where it would have waited',
  },
  {
    policies: UNSHARING,
    lists: ['gup'],
    pairs: [['gup.begin', 'mm.setHasPinned']],
    kind: 'price',
    because:
      'mm.setHasPinned does not know yet that vmsplice takes no pin, and marks its process as well: its forks look for pins, where they find as many as there are. ' +
      'A pin marks it in both orders',
  },
  {
    policies: UNSHARING,
    lists: ['gup'],
    pairs: [['fast', 'sequence.read']],
    kind: 'order',
    because: 'a pin that asks for the slow path alone reads a sequence that it never compares; an odd one leads it to fast.over, and from there to the slow path as well',
  },
  {
    policies: UNSHARING,
    lists: ['gup'],
    pairs: [['irq.off', 'pte.read']],
    kind: 'unmodelled',
    because:
      'interrupts that are off keep page tables from being freed under GUP-fast, and this family frees none. An entry that goes between the two steps is not the same to pte.reread; ' +
      'where flushes are broadcast interrupts hold up nobody anyway',
  },
  {
    policies: UNSHARING,
    lists: ['gup'],
    pairs: [['ptl.unlockFault', 'fault.isAllowed']],
    kind: 'idle',
    same: true,
    because: 'a policy that unshares refuses nothing here: fault.isAllowed, which looks at a local, always goes on',
  },
  {
    policies: UNSHARING,
    lists: ['gup'],
    pairs: [['fault.isAllowed', 'fault'], ['fault', 'fault.result']],
    kind: 'idle',
    because:
      'both looks always go on: a policy that unshares refuses nothing before the fault, and the fault refuses what vma.check has excluded under the same mmap_lock, and nothing else. ' +
      'Memory is never short',
  },
  {
    policies: UNSHARING,
    lists: ['writeProtected'],
    pairs: [['ptl.unlockCopy', 'folio.alloc']],
    kind: 'unmodelled',
    same: true,
    because: 'a kernel must not sleep for memory under a spinlock; here memory is never short, and an allocation is one step that looks at nothing of the page table',
  },
  {
    policies: UNSHARING,
    lists: ['writeProtected'],
    pairs: [['page.copy', 'ptl.lockCopy']],
    kind: 'price',
    same: true,
    because: 'the page is copied under the lock, which is held for longer. The reference keeps the page as it is in both orders, and pte.sameCopy comes behind both',
  },
  {
    policies: UNSHARING,
    lists: ['writeProtected'],
    pairs: [['pte.clear', 'tlb.send'], ['tlb.wait', 'pte.set']],
    kind: 'unmodelled',
    same: true,
    because:
      'threads of the process could read the old page through their TLBs while others write the new one. TLBs hold what the entry says here (src/model/memory/entries.ts); ' +
      'and GUP-fast, whom flushes wait for, reads the entry once more behind its reference',
  },
  {
    policies: UNSHARING,
    lists: ['fork'],
    pairs: [['tlb.wait', 'mmapLock.writeUnlock']],
    kind: 'unmodelled',
    same: true,
    because: 'threads of the parent could write a shared page through their TLBs. TLBs hold what the entry says here (src/model/memory/entries.ts), so that a flush is waited for and protects nothing',
  },
  {
    policies: UNSHARING,
    lists: ['swapOut'],
    pairs: [['pte.clear', 'tlb.send']],
    kind: 'unmodelled',
    same: true,
    because:
      'a TLB that flushed too early could load the entry again and write to the page that goes to swap. TLBs hold what the entry says here (src/model/memory/entries.ts); GUP-fast, ' +
      'if it read the entry before it was cleared, is seen by folio.isNotPinned, or does not find it again',
  },
  {
    policies: UNSHARING,
    lists: ['writeProtected'],
    pairs: [['pte.set', 'rmap.remove']],
    kind: 'order',
    same: true,
    because:
      'under one page-table lock the mapping count of the old page drops before the new entry stands. What it must not do is drop before the old entry is cleared and flushed ' +
      '(the comment in wp_page_copy): then somebody could reuse a page that is still mapped',
  },
  {
    policies: UNSHARING,
    lists: ['writeProtected'],
    pairs: [['rmap.remove', 'ptl.unlockCopied']],
    kind: 'order',
    same: true,
    because:
      'whoever decides by mapping counts (hugetlb, the reuse of large folios, collapse) finds one mapping too many for a step longer, and copies or refuses as he would have done ' +
      'a step before; the page table of the old entry says nothing of it any more',
  },
  {
    policies: UNSHARING,
    lists: ['writeProtected'],
    pairs: [['ptl.unlockCopied', 'folio.putMapping']],
    kind: 'order',
    same: true,
    because: 'the reference of the old mapping drops under the lock in place of behind it. It is not the last: the fault has one of its own until folio.putOld, and the zero page is not counted',
  },
  {
    policies: UNSHARING,
    lists: ['writeProtected'],
    pairs: [['folio.tryLock', 'swapCache.leave'], ['swapCache.leave', 'folio.recheck']],
    kind: 'idle',
    same: true,
    because:
      'swapCache.leave finds nothing to do: whoever drops the last name of a slot takes its page out of the swap cache in the same step, so that the slot of a page in the cache is named by somebody',
  },
  {
    policies: UNSHARING,
    lists: ['writeProtected'],
    pairs: [['page.setExclusive', 'folio.unlock']],
    kind: 'order',
    same: true,
    because:
      'folio.recheck has found the reference of this mapping and no other, and its page table is locked: nobody comes to the folio who would lock it. GUP-fast asks for no lock, and finds the ' +
      'entry read-only, and the mark there or not, in both orders',
  },
  {
    policies: UNSHARING,
    lists: ['writeProtected'],
    pairs: [['folio.unlockShared', 'pmd.isNone']],
    kind: 'idle',
    same: true,
    because: 'in a world of small pages pmd.isNone only jumps to folio.get, which is where folio.unlockShared goes on by itself now',
  },
  {
    policies: UNSHARING,
    lists: ['fork'],
    pairs: [['vmas.copy', 'sequence.begin']],
    kind: 'order',
    same: true,
    because: 'nobody runs in the child that the VMAs are copied to, and a sequence that is odd a step earlier sends GUP-fast to the slow path, which waits for mmap_lock',
  },
  {
    policies: UNSHARING,
    lists: ['fork'],
    pairs: [['pte.next', 'pmd.isNone']],
    kind: 'order',
    same: true,
    because: 'under the lock of the table it is asked once, before its first entry, whether a PMD stands there: where one does, all entries stand for it, and where none does, none comes',
  },
  {
    policies: UNSHARING,
    lists: ['fork'],
    pairs: [['pmd.isNone', 'pte.isAnon']],
    kind: 'order',
    same: true,
    because: 'two looks under one lock; what a PMD maps is anonymous, so that both orders come to pmd.get with it, and with nothing else',
  },
  {
    policies: UNSHARING,
    lists: ['fork'],
    pairs: [['sequence.end', 'tlb.send']],
    kind: 'unmodelled',
    because:
      'table.next leads to sequence.end, so that no flush is sent, and threads of the parent could write a shared page through their TLBs for ever. TLBs hold what the entry says here ' +
      '(src/model/memory/entries.ts); GUP-fast looks at the sequence',
  },
  {
    policies: UNSHARING,
    lists: ['fork'],
    pairs: [['mmapLock.writeUnlock', 'child.bear']],
    kind: 'order',
    same: true,
    because: 'threads of the child may run from child.bear on, and none of their steps asks for the mmap_lock of the parent',
  },
  {
    policies: UNSHARING,
    lists: ['swapOut'],
    pairs: [['pte.setSwap', 'rmap.remove'], ['rmap.remove', 'ptl.unlockSwapped']],
    kind: 'order',
    same: true,
    because:
      'reclaim has the folio locked: a fault at the swap entry waits for that, and another reclaim goes away. Collapse and a write fault of another process, which take no folio lock, find the ' +
      'references of reclaim and of the cleared entry, and refuse or copy, whatever the mapping count is',
  },
  {
    policies: UNSHARING,
    lists: ['swapOut'],
    pairs: [['ptl.unlockSwapped', 'folio.putMapping']],
    kind: 'order',
    same: true,
    because: 'the reference of the mapping drops under the lock in place of behind it. It is not the last: reclaim and the swap cache have theirs',
  },
  {
    policies: UNSHARING,
    lists: ['swapOut'],
    pairs: [['swapCache.remove', 'swap.done']],
    kind: 'order',
    because:
      'where reclaim was the last to name the slot the page leaves the cache with swap.done, and swapCache.remove, which asks in one step whose page is there, does nothing; where others name it ' +
      'the slot stays as it is between the two. A page that was not unmapped has a mapping beside the two references that swapCache.remove asks for, or is out of the cache',
  },
];
