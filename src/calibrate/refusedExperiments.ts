/**
 * Touching what is private: a system call answers EFAULT, a load ends in SIGBUS, whose handler steps over it.
 *
 * Source: virt/kvm/guest_memfd.c (kvm_gmem_fault_user_mapping), arch/x86/mm/fault.c (do_sigbus), arch/x86/kernel/signal.c.
 */
import { EFAULT, OpenFlag, PAGE_BYTES } from './abi.ts';
import { KernelError, checked } from './backing.ts';
import type { Bench, Experiment } from './experiments.ts';
import { map } from './ground.ts';
import type { Address } from './libc.ts';
import { openRoutines } from './machineCode.ts';

/** Calls of a batch. */
const BATCH_REFUSED = 128;

export function openEfault(bench: Bench): Experiment | string {
  const { libc, scope } = bench;
  const address = mapPrivatePage(bench);
  if (typeof address === 'string') return address;
  const zero = checked(libc, 'open(/dev/zero)', libc.open('/dev/zero', OpenFlag.CloseOnExec));
  scope.defer(() => void libc.close(zero));
  return {
    calls: BATCH_REFUSED,
    foreignCalls: BATCH_REFUSED,
    reset() {
      const answer = libc.read(zero, address, 1);
      const errno = libc.errno();
      if (answer >= 0 || errno !== EFAULT) throw new KernelError(`read into a private page answered ${answer}`, errno);
    },
    run() {
      for (let call = 0; call < BATCH_REFUSED; call++) libc.read(zero, address, 1);
    },
  };
}

/** The handler is in force from here to the end of the visit, in which nothing else of this process touches a file that is mapped. */
export function openSigbus(bench: Bench): Experiment | string {
  const { libc, scope } = bench;
  const address = mapPrivatePage(bench);
  if (typeof address === 'string') return address;
  const routines = openRoutines(libc, scope);
  if (typeof routines === 'string') return routines;
  routines.catchBusErrors(scope);
  const { load } = routines;
  return {
    calls: BATCH_REFUSED,
    foreignCalls: BATCH_REFUSED,
    reset() {
      if (load(address) !== -1) throw new Error('a load of a private page did not end in SIGBUS');
    },
    run() {
      for (let call = 0; call < BATCH_REFUSED; call++) load(address);
    },
  };
}

function mapPrivatePage({ libc, backing, scope }: Bench): Address | string {
  const fd = backing.createPrivateFile(1);
  if (fd === null) return `nothing of a ${backing.name} is private`;
  scope.defer(() => void libc.close(fd));
  return map(libc, scope, fd, PAGE_BYTES);
}
