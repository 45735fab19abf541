/**
 * separate-shared-memory (P9): what hosts of SEV-SNP and TDX do today. Private pages live in a guest_memfd that nobody can map, shared
 * ones in another file; an attribute of the VM says which the guest uses, and after a conversion the VMM punches the other.
 *
 * Source: virt/kvm/kvm_main.c (kvm_vm_set_mem_attributes, Linux 6.8), QEMU's accel/kvm/kvm-all.c (kvm_convert_memory).
 * Nothing is refused and no reference looked at: the host's mappings and pins are of another page than the guest's. Contents are lost
 * both ways, an index may have two pages, and who holds a page that was punched reads and writes what the guest will never see:
 * data that is lost, and no data that leaks (`orphanAccesses`).
 *
 * Closed forms (separate-shared-memory.test.ts), for one request of N pages of 4 KiB that both sides have touched, V mappings of them dirty:
 *   there:          1 store, N stage-2 leaves, 1 punch of the shared memory: 1 walk, V VMAs, N x V entries, N folios out; no reference read
 *   and back:       1 store, N leaves, 1 punch of guest_memfd: N pages out, no walk
 *   either way:     each page that is touched afterwards is allocated, zeroed and inserted once more
 *   double memory:  what the shared memory has of the range when the guest touches its private pages before the punch; at most N pages.
 *                   A punch of less than a large folio gives nothing back, so that N pages stand twice for as long as they are private
 */
import { discardUnusedSteps, setAttributeSteps } from '../../model/separate.ts';
import type { ConversionPolicy } from '../policy.ts';
import { EXCLUSIVE_PIN_MAIL, IN_PLACE_SERIES } from '../sources.ts';

export const separateSharedMemory: ConversionPolicy = {
  name: 'separate-shared-memory',
  summary: 'private pages in a guest_memfd that nobody maps, shared ones in another file: change the attribute, punch the memory that is no longer used',
  argument: {
    idea:
      'the host never maps what may be private: shared memory is ordinary memory in another file, a conversion tells KVM which of the two the guest uses, and the VMM gives the other back. ' +
      'Private pages need no reference check, since there is no way to them',
    for: [
      { who: 'Jason Gunthorpe', says: 'why should pKVM need anything else than the others have, which keep private and shared memory apart?' },
      { who: 'Sean Christopherson', says: 'where the guest shares a whole 1 GiB, user space can punch a hole in guest_memfd and allocate 1 GiB of regular memory', mail: '20 Jun 2024' },
    ],
    against: [
      { who: 'David Hildenbrand', says: 'with one page private of a gigantic page that is shared, both are allocated: memory stands twice' },
      { who: 'Ackerley Tng', says: 'a hole punched here and memory allocated there for each shared page fragments what was one huge page', mail: '22 May 2026' },
    ],
    price:
      'contents are lost, so that what has to survive is copied; a page to allocate, zero and free each way; two punches more that zap stage-2; a long-term pin of a punched page, as VFIO has, ' +
      'goes on with a page that is nobody\'s, so that devices have to be told. Acceptance of 4 MiB of 4 KiB pages can take 1024 exits on SNP, until they are faulted in before (Tom Lendacky, QEMU, March 2025)',
    sources: [EXCLUSIVE_PIN_MAIL, IN_PLACE_SERIES],
  },
  family: 'conversion',
  checks: [],
  onRequest: true,
  rules: () => ({
    toPrivate: setAttributeSteps(true),
    toShared: setAttributeSteps(false),
    mapsPrivate: true,
    keeps: 'separate-memory',
    vmm: { afterRequest: { steps: discardUnusedSteps() } },
  }),
};
