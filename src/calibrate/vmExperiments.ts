/**
 * Experiments on virtual machines: stage-2 faults, holes below stage-2, and conversions. Each has a machine of its own, whose vCPU never runs.
 *
 * The slot of a guest_memfd that the host may map has a host address at which nothing is: KVM takes pages from the file alone, and the
 * mappings of the host (`vmas`) are not the slot's, so that a hole clears each leaf once. A VMM gives the slot the address of its mapping, and
 * KVM's own mmu_notifier then looks at stage-2 again for each folio that the hole unmaps there.
 *
 * Source: virt/kvm/guest_memfd.c (kvm_gmem_punch_hole, kvm_gmem_get_pfn), virt/kvm/kvm_main.c (kvm_vm_set_mem_attributes).
 */
import { Advice, Allocate, PAGE_BYTES, VmType } from './abi.ts';
import { checked } from './backing.ts';
import { callsOf } from './batches.ts';
import type { Bench, Experiment } from './experiments.ts';
import { allocateAll, map, populating, punchAll, reserve, touchAll, unmapEntries } from './ground.ts';
import type { Ground } from './ground.ts';
import type { Place } from './points.ts';
import { PRIVATE_FILE, SHARED_FILE } from './virtualMachine.ts';

/** Stage-2 faults by KVM_PRE_FAULT_MEMORY, and holes in what they have mapped. */
export function openStage2({ libc, machines, scope }: Bench, place: Place): Experiment {
  const { operation, pages, vmas, touched, dirty } = place;
  const calls = callsOf(place);
  const all = pages * calls;
  const bytes = all * PAGE_BYTES;
  const machine = machines.create(scope, VmType.Default);
  const fd = machine.createFile(all, SHARED_FILE);
  machine.setMemory({ pages: all, fd, hostAddress: reserve(libc, scope, bytes) });
  const ground: Ground = { fd, bytes, windows: Array.from({ length: vmas }, () => map(libc, scope, fd, bytes)) };
  const other = map(libc, scope, fd, bytes);
  /** Zeroes all pages through one more mapping: no fault has to do that then, and the caches are not full of zeroes. */
  const fill = (): void => {
    allocateAll(libc, ground);
    checked(libc, 'madvise(POPULATE)', libc.madvise(other, bytes, populating(true)));
    unmapEntries(libc, other, bytes);
  };
  const rangeBytes = pages * PAGE_BYTES;
  if (operation === 'stage2.punch') {
    return {
      calls,
      foreignCalls: calls,
      reset() {
        fill();
        if (touched) touchAll(libc, ground, dirty);
        machine.preFault(0, all);
      },
      run() {
        for (let call = 0; call < calls; call++) libc.fallocate(fd, Allocate.Hole, call * rangeBytes, rangeBytes);
      },
    };
  }
  return {
    calls,
    foreignCalls: calls,
    reset() {
      // A hole is what clears leaves from outside.
      if (!touched) punchAll(libc, ground);
      fill();
      if (touched) machine.preFault(0, all);
    },
    run() {
      for (let call = 0; call < calls; call++) machine.preFault(call * pages, pages);
    },
  };
}

/** Conversions by KVM_SET_MEMORY_ATTRIBUTES, of a machine that has its shared memory in a memfd and its private memory in a guest_memfd. */
export function openConvert({ libc, machines, scope }: Bench, place: Place): Experiment {
  const { operation, pages, touched } = place;
  const toPrivate = operation === 'convert.private';
  const calls = callsOf(place);
  const all = pages * calls;
  const bytes = all * PAGE_BYTES;
  const machine = machines.create(scope, VmType.SoftwareProtected);
  const fd = machine.createFile(all, PRIVATE_FILE);
  const shared = checked(libc, 'memfd_create', libc.memfdCreate('foliobench', 1));
  scope.defer(() => void libc.close(shared));
  checked(libc, 'ftruncate', libc.ftruncate(shared, bytes));
  const hostAddress = map(libc, scope, shared, bytes);
  // Leaves are to be of 4 KiB. A kernel without larger pages refuses the advice, and has no need of it.
  libc.madvise(hostAddress, bytes, Advice.NoHugePage);
  machine.setMemory({ pages: all, fd, hostAddress });
  return {
    calls,
    foreignCalls: calls,
    reset() {
      machine.setPrivate(0, all, !toPrivate);
      if (!touched) return;
      if (toPrivate) checked(libc, 'madvise(POPULATE)', libc.madvise(hostAddress, bytes, populating(true)));
      machine.preFault(0, all);
    },
    run() {
      for (let call = 0; call < calls; call++) machine.setPrivate(call * pages, pages, toPrivate);
    },
  };
}
