/**
 * The operation list: everything the kernel, the hypervisor or the VMM does that costs time or is worth counting.
 *
 * Model functions charge these (`meter.charge(Op['pte.zap'])`); engines price them from a cost profile; counters,
 * calibration, gate and reports speak this vocabulary and no other. To add one: its line here, and its price in
 * `results/costs/*.json` (a test fails while a profile lacks it).
 *
 * `phase` is the part of a conversion's latency that the operation's time belongs to; inside
 * the VMM's own dance the phase is `vmm` whatever the operation. An operation of kind `event` only counts; it has no price.
 */
export const PHASES = [
  'exit', 'lockWait', 'stage2', 'rmap', 'tlb', 'referenceWait', 'splitMerge', 'bookkeeping', 'vmm', 'backoff',
] as const;
export type Phase = (typeof PHASES)[number];

interface Operation {
  readonly name: string;
  readonly phase: Phase;
  /** `work` has a price; an `event` is counted and free. */
  readonly kind: 'work' | 'event';
  readonly summary: string;
}

const work = <N extends string>(name: N, phase: Phase, summary: string) => ({ name, phase, kind: 'work', summary }) as const;
const event = <N extends string>(name: N, summary: string) => ({ name, phase: 'bookkeeping', kind: 'event', summary }) as const;

export const OPERATIONS = [
  // Accesses that hit.
  work('guest.access', 'bookkeeping', 'a guest load or store that stage-2 translates without a fault'),
  work('host.access', 'bookkeeping', 'a host load or store through a present PTE (or a stale TLB entry)'),
  work('device.access', 'bookkeeping', 'a device or kernel user touches one page through its reference'),

  // Crossing privilege levels.
  work('vm.exit', 'exit', 'the vCPU leaves the guest for KVM and enters it again'),
  work('user.exit', 'exit', 'KVM_RUN returns to the VMM and the VMM runs the vCPU again'),
  work('syscall', 'exit', 'entry to and return from a system call'),
  work('host.fault', 'exit', 'entry to and return from a host page fault exception'),
  work('ipc', 'vmm', 'the VMM asks another process for something and gets the answer'),
  work('signal', 'vmm', 'the kernel delivers SIGBUS or SIGSEGV and the handler returns'),

  // Locks, uncontended; waiting is time of its own.
  work('lock.mmap', 'bookkeeping', 'take and release mmap_lock'),
  work('lock.invalidate', 'bookkeeping', 'take and release the mapping\'s invalidate_lock'),
  work('lock.folio', 'bookkeeping', 'take and release a folio lock'),
  work('lock.iMmap', 'bookkeeping', 'take and release i_mmap_rwsem'),
  work('lock.pageTable', 'rmap', 'take and release a page-table lock'),
  work('lock.mmu', 'stage2', 'take and release kvm->mmu_lock'),
  work('irq.toggle', 'bookkeeping', 'disable and enable interrupts around GUP-fast'),

  // Folios and the page cache.
  work('folio.alloc', 'bookkeeping', 'allocate a folio'),
  work('folio.free', 'bookkeeping', 'free a folio whose last reference went'),
  work('page.clear', 'bookkeeping', 'zero one 4 KiB page'),
  work('page.copy', 'vmm', 'copy one 4 KiB page (a bounce buffer)'),
  work('pageCache.lookup', 'bookkeeping', 'find the folio of an index and take a reference'),
  work('pageCache.insert', 'bookkeeping', 'add a folio to the page cache'),
  work('pageCache.remove', 'bookkeeping', 'remove a folio from the page cache'),
  work('folio.readRef', 'referenceWait', 'compare a folio\'s counts with what its owner expects'),
  work('folio.put', 'bookkeeping', 'drop a reference'),
  work('folio.split', 'splitMerge', 'split one 4 KiB folio off a larger one'),
  work('folio.merge', 'splitMerge', 'put one 4 KiB folio into a larger one'),
  work('folio.freeze', 'splitMerge', 'folio_ref_freeze: exchange the count that is expected for 0'),
  work('vmemmap.restore', 'splitMerge', 'allocate, copy and map one page of struct pages that HVO had given back'),
  work('vmemmap.optimise', 'splitMerge', 'map one page of struct pages to the first one of its folio, and free it'),
  work('vmemmap.flush', 'splitMerge', 'flush the kernel\'s mapping of struct pages on every CPU'),
  work('lru.add', 'bookkeeping', 'put a new folio into this CPU\'s LRU batch'),
  work('lru.drain', 'referenceWait', 'lru_add_drain_all: queue work on one CPU that has a pending batch'),
  work('lru.drainWork', 'referenceWait', 'the work item on the drained CPU'),

  // Host mappings.
  work('mmap', 'vmm', 'the work of mmap beside its locks: find an address, build the VMA'),
  work('munmap', 'vmm', 'the work of munmap beside its locks: find and detach VMAs'),
  work('vma.lookup', 'rmap', 'one level of a search in the i_mmap interval tree'),
  work('vma.insert', 'vmm', 'insert a VMA into the mm\'s tree and i_mmap'),
  work('vma.remove', 'vmm', 'remove a VMA from the mm\'s tree and i_mmap'),
  work('vma.split', 'vmm', 'split a VMA in two'),
  work('vma.merge', 'vmm', 'merge two adjacent VMAs'),
  work('fork', 'vmm', 'fork beside its VMAs'),
  work('fork.vma', 'vmm', 'copy one VMA to the child; PTEs of shared file mappings are not copied'),
  work('rmap.walk', 'rmap', 'start a walk over the VMAs that overlap a range'),
  work('vma.visit', 'rmap', 'visit one overlapping VMA in a walk, descend its page table'),
  work('pte.check', 'rmap', 'look at one page-table entry in a walk'),
  work('pte.zap', 'rmap', 'clear one present entry and drop its mapping count'),
  work('pte.set', 'bookkeeping', 'install a page-table entry and its mapping count'),
  work('notifier', 'rmap', 'mmu_notifier invalidate start and end for one range'),

  // TLBs.
  work('tlb.flush', 'tlb', 'begin a flush of an mm that some CPU runs: its generation, and who has to be asked'),
  work('tlb.flushEntry', 'tlb', 'invalidate one entry of this CPU\'s TLB, in a flush of 33 at most'),
  work('tlb.flushAll', 'tlb', 'invalidate all entries of the mm in this CPU\'s TLB, in a flush of more'),
  work('tlb.ipi', 'tlb', 'send the shootdown to one CPU and hear from it'),
  work('tlb.interrupt', 'tlb', 'what the interrupted CPU pays for a shootdown'),

  // Stage-2 and the hypervisor.
  work('stage2.fault', 'stage2', 'KVM handles a stage-2 fault beside locks and allocation'),
  work('stage2.map', 'stage2', 'install a stage-2 leaf'),
  work('stage2.zap', 'stage2', 'clear one stage-2 leaf'),
  work('stage2.split', 'splitMerge', 'replace a 2 MiB stage-2 leaf by 512 leaves of 4 KiB'),
  work('stage2.splitGigantic', 'splitMerge', 'replace a 1 GiB stage-2 leaf by 512 leaves of 2 MiB'),
  work('stage2.kick', 'tlb', 'kick one vCPU so that it flushes its guest TLB'),
  work('stage2.interrupt', 'tlb', 'what the kicked vCPU pays'),

  // The guest's TLB, which holds what both page tables say together.
  work('guest.tlbMiss4K', 'bookkeeping', 'a guest access misses the TLB; both page tables are walked to a 4 KiB stage-2 leaf'),
  work('guest.tlbMiss2M', 'bookkeeping', 'the same, to a 2 MiB leaf'),
  work('guest.tlbMiss1G', 'bookkeeping', 'the same, to a 1 GiB leaf'),

  // What a platform adds to a conversion, a page at a time unless it says otherwise.
  work('hyp.call', 'stage2', 'pKVM: the host calls the hypervisor and is back'),
  work('hyp.unmapHost', 'stage2', 'pKVM: the hypervisor takes a page out of the host\'s stage-2 and flushes it'),
  work('hyp.mapHost', 'stage2', 'pKVM: the hypervisor puts a page back into the host\'s stage-2'),
  work('rmp.update', 'stage2', 'SNP: RMPUPDATE hands a page to the guest or takes it back'),
  work('rmp.validate', 'stage2', 'SNP: the guest\'s PVALIDATE accepts a page or takes that back'),
  work('sept.block', 'stage2', 'TDX: TDH.MEM.RANGE.BLOCK on the secure EPT entry of a page'),
  work('sept.track', 'stage2', 'TDX: TDH.MEM.TRACK, once a request, before the vCPUs are kicked'),
  work('sept.remove', 'stage2', 'TDX: TDH.MEM.PAGE.REMOVE, and the write-back of the page\'s cache lines'),
  work('sept.aug', 'stage2', 'TDX: TDH.MEM.PAGE.AUG adds a pending page'),
  work('sept.accept', 'stage2', 'TDX: the guest\'s TDG.MEM.PAGE.ACCEPT, which zeroes the page'),

  // Work that cannot be done where it falls due.
  work('work.queue', 'bookkeeping', 'queue a work item and wake its worker'),
  work('work.run', 'bookkeeping', 'the worker takes a work item'),

  // Shareability.
  work('state.read', 'bookkeeping', 'look up the shareability of a range'),
  work('state.prealloc', 'bookkeeping', 'preallocate maple tree nodes for a store'),
  work('state.store', 'bookkeeping', 'store the shareability of a range: the commit'),

  // GUP.
  work('gup.fast', 'bookkeeping', 'GUP-fast: walk the page table and read one entry'),
  work('gup.slow', 'bookkeeping', 'slow GUP: find the VMA and the entry of one page'),
  work('gup.grab', 'bookkeeping', 'take the references of a get or a pin'),
  work('gup.undo', 'bookkeeping', 'drop a speculative reference of GUP-fast'),
  work('gup.release', 'bookkeeping', 'unpin or put one page'),

  // Counted, never priced.
  event('access.done', 'an access of the workload that completed'),
  event('work.done', 'a page of work that was done: a load or store is one, an I/O as many as it has pages; conversions are none'),
  event('access.failed', 'an access of the workload that ended in a signal or an error and was dropped'),
  event('access.degraded', 'a guest access to a page whose conversion was given up'),
  event('access.orphan', 'a device or kernel user touched a page that is no longer the guest\'s: its data is lost to the guest, or the guest\'s to it'),
  event('pte.zapNeighbour', 'an entry zapped only because its page shares a folio with the converted range'),
  event('fault.neighbour', 'a host fault on a page that lost its entry as a neighbour'),
  event('signal.SIGBUS', 'a host access ended in SIGBUS'),
  event('signal.SIGSEGV', 'a host access ended in SIGSEGV'),
  event('access.rogue', 'a host access reached the data of a private page'),
  event('access.exposed', 'a private page was within reach of the host, counted once a private interval'),
  event('refused.ownPin', 'a conversion was refused by a pin or get on a page of its range'),
  event('refused.neighbourPin', 'a conversion was refused by a pin or get on another page of the folio'),
  event('refused.mapping', 'a conversion was refused because the page was still mapped or covered'),
  event('refused.transient', 'a conversion was refused by a reference that goes away by itself'),

  // Private memory that processes share until one of them writes.
  work('fork.pte', 'bookkeeping', 'fork copies one page-table entry, or one PMD, and counts its mapping'),
  work('pte.protect', 'bookkeeping', 'change the permissions of one page-table entry'),
  work('pmd.split', 'splitMerge', 'turn a PMD into a page table of 512 entries'),
  work('swap.write', 'bookkeeping', 'hand one page to the swap device'),
  work('swap.read', 'bookkeeping', 'read one page from the swap device'),
  event('copy.fork', 'a page that fork copied at once, because it may be pinned'),
  event('copy.writeFault', 'a page that a write fault copied'),
  event('copy.unshare', 'a page that was copied because GUP wanted it to itself'),
  event('copy.collapse', 'a page that was copied into a huge folio'),
  event('fault.reuse', 'a write fault or an unshare that kept the page'),
  event('pin.done', 'a page that was pinned'),
  event('pin.failed', 'a pin or get that was refused'),
  event('pin.stale', 'a page read through a reference that was not what the process sees there'),
  event('pin.lost', 'a page written through a reference that the process does not see'),
  event('get.stale', 'a page read through FOLL_GET that was not what the process sees there; it is what the page was when it was taken, or later'),
  event('unpin.notExclusive', 'a pinned anonymous page that was not exclusive any more when it was unpinned: debug kernels stop there'),
  // Write-protection by userfaultfd, over shmem.
  work('wp.keep', 'bookkeeping', 'write an entry that maps nothing, for the sake of its write-protection'),
  work('pagemap.entry', 'bookkeeping', 'tell one entry in PAGEMAP_SCAN or pagemap'),
  work('uffd.event', 'bookkeeping', 'queue a userfault, wake the monitor, and let it read the event'),
  work('uffd.wake', 'bookkeeping', 'wake one thread that sleeps in a userfault'),
  work('uffd.save', 'vmm', 'the monitor puts one page into its snapshot, or its number into its log'),
  work('numa.hint', 'bookkeeping', 'handle a NUMA hinting fault beside locks'),
  work('shmem.swapOut', 'bookkeeping', 'move one page of shmem from the page cache to swap, without the device'),
  work('shmem.swapIn', 'bookkeeping', 'bring one page of shmem back from swap, without the device'),
  event('wp.event', 'the monitor read a write-protection fault'),
  event('wp.spurious', 'of those, on a page that nobody had asked to protect any more'),
  event('wp.lost', 'a page that was write-protected was written, and the monitor was not told'),
  event('scan.missed', 'a scan did not say of a page that it was written, though it was'),
  event('fault.around', 'a page that a fault for its neighbour mapped'),
  event('special.none', 'a check for an empty entry met one that is kept for its bit'),
  event('special.swap', 'a walk that sees swap entries met a marker'),
  event('special.present', 'a walk that sees present entries met one that maps nothing'),
  event('special.numa', 'a PROTNONE entry had to be told from a NUMA hint'),
  event('special.fork', 'fork copied an entry that a fault would not fill'),
  event('special.gup', 'GUP had to refuse the zero page of a kept entry'),
  event('special.pagemap', 'pagemap had to tell the bit of an entry that is not present'),
  event('special.fault', 'a fault met a kept entry, and gave the page it mapped its bit'),
] as const satisfies readonly Operation[];

export type OperationName = (typeof OPERATIONS)[number]['name'];

/** The index of each operation in the list, by name: `Op['pte.zap']`. */
export const Op = Object.freeze(
  Object.fromEntries(OPERATIONS.map(({ name }, index) => [name, index])),
) as { readonly [N in OperationName]: number };
