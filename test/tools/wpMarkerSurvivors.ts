/** Why mutants of the routines of the family `wp-markers` survive its litmus files (test/tools/familySurvivors.ts). */
import type { FamilyReason } from './reasons.ts';

const WP_MARKERS: readonly string[] = ['pte-marker', 'protnone-zero-page'];

export const wpMarkerReasons: readonly FamilyReason[] = [
  {
    policies: WP_MARKERS,
    lists: ['protect', 'scanProtect', 'fork'],
    pairs: [['mm.born', 'call.begin']],
    kind: 'birth',
    same: true,
    because: 'threads of a process that is not there do not run, and call.begin only sets locals',
  },
  {
    policies: WP_MARKERS,
    lists: ['fork'],
    pairs: [['child.conceive', 'mmapLock.write']],
    kind: 'birth',
    same: true,
    because:
      'a fork does not wait for the place of its child: files name processes, and a kernel makes new ones. The exit that it waits for takes the locks of the process that exits, and not the ' +
      'mmap_lock that is held now',
  },
  {
    policies: WP_MARKERS,
    lists: ['protect', 'scanProtect'],
    pairs: [['call.begin', 'mmapLock.read']],
    kind: 'order',
    same: true,
    because: 'call.begin only sets locals, and charges',
  },
  {
    policies: WP_MARKERS,
    lists: ['punch'],
    pairs: [['call.begin', 'inode.lock']],
    kind: 'order',
    same: true,
    because: 'call.begin only sets locals, and charges',
  },
  {
    policies: WP_MARKERS,
    lists: ['fork'],
    pairs: [['call.begin', 'child.conceive']],
    kind: 'order',
    same: true,
    because: 'call.begin only sets locals, and charges',
  },
  {
    policies: WP_MARKERS,
    lists: ['protect', 'scanProtect'],
    pairs: [['tlb.wait', 'behind']],
    kind: 'idle',
    same: true,
    because: 'behind does nothing: it is where a walk goes on that has nothing to flush. Where it comes to tlb.wait now no TLB holds anything of its range, and there is no call to wait for',
  },
  {
    policies: WP_MARKERS,
    lists: ['protect'],
    pairs: [['promise', 'mmapLock.readUnlock']],
    kind: 'order',
    same: true,
    because:
      'promise is for the sentences: from then on nobody may write unheard. The call is not over in both orders, and who takes the protection away in between, or exits, ends what was about to be promised',
  },
  {
    policies: WP_MARKERS,
    lists: ['scanProtect'],
    pairs: [['promise', 'found'], ['found', 'mmapLock.readUnlock']],
    kind: 'order',
    same: true,
    because: 'found only tells what a local has counted',
  },
  {
    policies: WP_MARKERS,
    lists: ['fault'],
    pairs: [['vma.backing', 'hole.wait']],
    kind: 'order',
    same: true,
    because: 'the wait changes nothing, and what a window maps stays under mmap_lock, which is held over both. Anonymous memory has no holes that it could wait for in vain',
  },
  {
    policies: WP_MARKERS,
    lists: ['fault'],
    pairs: [['ptl.unlock', 'folio.unlock']],
    kind: 'order',
    same: true,
    because: 'two locks are dropped, and nothing is done in between: who takes the folio first waits for the page table then',
  },
  {
    policies: WP_MARKERS,
    lists: ['fault'],
    pairs: [['pte.migration', 'migration.wait']],
    kind: 'price',
    because: 'a fault at a migration entry ends without a wait, and its access, or GUP, faults until the page is back: it waits by asking, which nobody but the clock can tell',
  },
  {
    policies: WP_MARKERS,
    lists: ['fault'],
    pairs: [['entry.hint', 'numa.restore']],
    kind: 'price',
    because:
      'of an entry that is no hint numa.restore writes what stands there, or, where it is not protected, the bit that pte.writable or wp.resolve sets next under the same lock; ' +
      'it is charged as a hint that was taken away',
  },
  {
    policies: WP_MARKERS,
    lists: ['fault'],
    pairs: [['wp.unlock', 'userfault.queue']],
    kind: 'order',
    same: true,
    because: 'who takes the protection away needs the lock of the table, and looks for sleepers behind it; userfault.mustWait comes behind both. The monitor that is told a step earlier waits for the lock',
  },
  {
    policies: WP_MARKERS,
    lists: ['fault'],
    pairs: [['around.wanted', 'around.begin']],
    kind: 'order',
    because: 'around.begin only sets the pages of a walk, and a fault that maps its page alone does not look at them',
  },
  {
    policies: WP_MARKERS,
    lists: ['fault'],
    pairs: [['around.begin', 'around.lock']],
    kind: 'order',
    same: true,
    because: 'around.begin only sets locals',
  },
  {
    policies: WP_MARKERS,
    lists: ['unmapKeep'],
    pairs: [['tlb.wait', 'rmap.remove']],
    kind: 'order',
    same: true,
    because:
      'the mapping count drops before the flush is over, under the same page-table lock. Reclaim, migration and truncation decide by it, and lock the folio for that: reclaim, whose walk this is, ' +
      'has it locked; the first walk of a punch keeps other truncations away by i_rwsem, and reclaim and migration find the reference of the cleared entry, which goes behind the flush',
  },
  {
    policies: WP_MARKERS,
    lists: ['punch'],
    pairs: [['inode.lock', 'hole.begin']],
    kind: 'price',
    same: true,
    because:
      'faults wait for a hole lest they fill it as fast as it is emptied; truncation does not rest on that. Where two punch at once one begins its hole too early, and the other ends it: ' +
      'faults wait longer, or not at all',
  },
  {
    policies: WP_MARKERS,
    lists: ['punch'],
    pairs: [['hole.begin', 'unmapFirst'], ['unmapFirst', 'truncate.next']],
    kind: 'price',
    because:
      'the first walk has no range yet, or comes behind the look for a folio, or again before each. It only makes the second one cheap: each page is unmapped once more with its folio locked, if it is mapped then',
  },
  {
    policies: WP_MARKERS,
    lists: ['fork'],
    pairs: [['rmap.writeLock', 'vma.link'], ['vma.link', 'rmap.writeUnlock']],
    kind: 'unmodelled',
    same: true,
    because:
      'the lock keeps walks from a tree that is being changed, and here a window is linked in one step. A walk that misses the child is through with the parent, which comes first, so that ' +
      'there is nothing of it left to copy',
  },
  {
    policies: WP_MARKERS,
    lists: ['fork'],
    pairs: [['vma.needsCopy', 'copy.table']],
    kind: 'order',
    because: 'copy.table only moves locals of the walk to the first page table; a fork that copies nothing goes on at fork.flush from both',
  },
  {
    policies: WP_MARKERS,
    lists: ['fork'],
    pairs: [['pte.copy', 'copy.unlockChild']],
    kind: 'order',
    same: true,
    because:
      'nobody runs in the child, and a walk over all processes comes to the entry of the parent first, whose lock is held: it is through with the parent or has not begun, and each of its ' +
      'steps in the child takes what stands there',
  },
  {
    policies: WP_MARKERS,
    lists: ['fork'],
    pairs: [['fork.wait', 'child.born']],
    kind: 'order',
    same: true,
    because: 'a fork of a shared mapping takes nothing from the entries of the parent: the flush has nothing to flush, and the child runs on other CPUs',
  },
  {
    policies: WP_MARKERS,
    lists: ['fork'],
    pairs: [['child.born', 'mmapLock.writeUnlock']],
    kind: 'order',
    same: true,
    because: 'threads of the child may run from child.born on, and none of their steps asks for the mmap_lock of the parent; a kernel wakes the child behind dup_mmap',
  },
];
