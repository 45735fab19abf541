/**
 * folio-mmapped-without-dance, wrong on purpose: the kernel's side of `folio-mmapped` under a VMM that does not unmap before it
 * converts, so that some other thread's munmap is all that stands between a mapping and the commit.
 *
 * What is wrong: munmap takes the VMA out of i_mmap before its last flush (mm/vma.c, unmap_region; mm/memory.c, free_pgtables). In between, folio_mmapped()
 * finds no VMA, a clean entry has no mapping count any more, and a TLB still serves it. The VMM's own munmap would have
 * waited for that flush. This is the original proposal of !folio_mapped() && !folio_mmapped().
 * Right:  the refcount on top: the gather holds its reference until the flush is over. Under `refcount` it is safe.
 * Caught by litmus/conversion/munmap-after-i-mmap.litmus.yaml.
 */
import { folioMmapped } from '../conversion/folio-mmapped.ts';
import type { ConversionPolicy } from '../policy.ts';

export const folioMmappedWithoutDance: ConversionPolicy = {
  ...folioMmapped,
  name: 'folio-mmapped-without-dance',
  summary: 'wrong on purpose: the kernel side of folio-mmapped under a VMM that breaks its part of the contract',
  rules: (options) => {
    const { vmm: _, ...kernel } = folioMmapped.rules(options);
    return kernel;
  },
};
