/** A libc whose KVM has two-dimensional paging and private memory, in memory: what it is asked is in `asked`, with the number and the bytes of each. */
import { EAGAIN, Advice, Allocate, Kvm, KvmExtension, MapFlag, PAGE_BYTES, VmType } from '../../src/calibrate/abi.ts';
import type { Libc } from '../../src/calibrate/libc.ts';

const ENOENT = 2, EBADF = 9, EFAULT = 14, EINVAL = 22, ENOTTY = 25;

export interface FakeKvmOptions {
  /** What it answers to KVM_CHECK_EXTENSION; default: as a KVM that has everything. */
  readonly extensions?: Readonly<Record<number, number>>;
  /** Pages that KVM_PRE_FAULT_MEMORY maps before it answers early. */
  readonly pagesPerCall?: number;
  /** Errnos that it answers to a request before it does what it is asked: the first one first. */
  readonly failures?: { readonly [request: number]: readonly number[] };
  readonly withoutKvm?: boolean;
}

export interface Asked {
  readonly fd: number;
  readonly request: number;
  /** The block as it was asked, or the argument. */
  readonly block: readonly number[] | number;
  /** Stage-2 leaves that it made (below 0: cleared). */
  readonly leaves: number;
  /** Pages that became private (below 0: shared). */
  readonly converted: number;
}

interface Machine {
  readonly type: number;
  /** Descriptor of its guest_memfd in slot 0. */
  file: number;
  pages: number;
  readonly leaves: Set<number>;
  readonly private: Set<number>;
}

interface FakeFile {
  readonly machine: Machine | null;
  readonly pages: Set<number>;
}

export interface FakeKvm {
  readonly libc: Libc;
  readonly asked: Asked[];
  /** Holes that were punched: leaves that each cleared and pages of the file that it took. */
  readonly holes: { readonly leaves: number; readonly pages: number }[];
  /** Descriptors and mappings that are open. */
  readonly open: () => number;
}

const EXTENSIONS: Readonly<Record<number, number>> = {
  [KvmExtension.GuestMemfdFlags]: 3, [KvmExtension.PreFaultMemory]: 1, [KvmExtension.VmTypes]: 3, [KvmExtension.MemoryAttributes]: 8,
};

export function fakeKvm({ extensions = {}, pagesPerCall = Number.POSITIVE_INFINITY, failures = {}, withoutKvm = false }: FakeKvmOptions = {}): FakeKvm {
  const has = { ...EXTENSIONS, ...extensions };
  const left = new Map(Object.entries(failures).map(([request, errnos]) => [Number(request), [...errnos]]));
  const asked: Asked[] = [];
  const holes: { leaves: number; pages: number }[] = [];
  const machines = new Map<number, Machine>();
  const files = new Map<number, FakeFile>();
  const others = new Set<number>();
  const mappings = new Map<number, number>();
  let next = 100;
  let errno = 0;
  const fail = (reason: number): number => {
    errno = reason;
    return -1;
  };
  const opened = <T>(table: Map<number, T>, value: T): number => {
    table.set(++next, value);
    return next;
  };
  const range = (words: DataView, at: number): readonly number[] => {
    const [first, count] = [Number(words.getBigUint64(at, true)) / PAGE_BYTES, Number(words.getBigUint64(at + 8, true)) / PAGE_BYTES];
    return Array.from({ length: count }, (_, page) => first + page);
  };
  const clear = (machine: Machine, pages: readonly number[]): number => pages.filter((page) => machine.leaves.delete(page)).length;

  const perform: Readonly<Record<number, (fd: number, words: DataView) => number | { readonly leaves?: number; readonly converted?: number }>> = {
    [Kvm.CreateGuestMemfd]: (fd) => (machines.has(fd) ? opened<FakeFile>(files, { machine: machines.get(fd) ?? null, pages: new Set() }) : fail(EBADF)),
    [Kvm.SetUserMemoryRegion2](fd, words) {
      const machine = machines.get(fd);
      if (machine === undefined) return fail(EBADF);
      machine.file = words.getUint32(40, true);
      machine.pages = Number(words.getBigUint64(16, true)) / PAGE_BYTES;
      return files.get(machine.file)?.machine === machine ? 0 : fail(EINVAL);
    },
    [Kvm.PreFaultMemory](fd, words) {
      const machine = machines.get(fd - 1);
      if (machine === undefined) return fail(ENOTTY);
      const pages = range(words, 0);
      if (pages.length === 0) return fail(EINVAL);
      if (pages.some((page) => page >= machine.pages)) return fail(EFAULT);
      const done = pages.slice(0, pagesPerCall);
      const made = done.filter((page) => !machine.leaves.has(page)).length;
      for (const page of done) machine.leaves.add(page);
      words.setBigUint64(0, BigInt((pages[0] + done.length) * PAGE_BYTES), true);
      words.setBigUint64(8, BigInt((pages.length - done.length) * PAGE_BYTES), true);
      return { leaves: made };
    },
    [Kvm.SetMemoryAttributes](fd, words) {
      const machine = machines.get(fd);
      if (machine?.type !== VmType.SoftwareProtected) return fail(ENOTTY);
      const wanted = words.getBigUint64(16, true) === 8n;
      const changed = range(words, 0).filter((page) => machine.private.has(page) !== wanted);
      for (const page of changed) {
        if (wanted) machine.private.add(page);
        else machine.private.delete(page);
      }
      return { leaves: -clear(machine, changed), converted: wanted ? changed.length : -changed.length };
    },
  };

  const libc: Partial<Libc> = {
    errno: () => errno,
    open: () => (withoutKvm ? fail(ENOENT) : (others.add(++next), next)),
    close: (fd) => (machines.delete(fd) || files.delete(fd) || others.delete(fd) ? 0 : fail(EBADF)),
    ioctl(fd, request, value) {
      if (request === Kvm.CheckExtension) return has[value] ?? 0;
      asked.push({ fd, request, block: value, leaves: 0, converted: 0 });
      const failure = left.get(request)?.shift();
      if (failure !== undefined) return fail(failure);
      if (request === Kvm.CreateVm) {
        const isKnown = value === VmType.Default || ((has[KvmExtension.VmTypes] >> value) & 1) === 1;
        return isKnown ? opened<Machine>(machines, { type: value, file: -1, pages: 0, leaves: new Set(), private: new Set() }) : fail(EINVAL);
      }
      if (request !== Kvm.CreateVcpu) return fail(ENOTTY);
      // The vCPU's number is the next after its machine's.
      others.add(fd + 1);
      next = Math.max(next, fd + 1);
      return fd + 1;
    },
    ioctlWith(fd, request, block) {
      const before = [...block];
      const failure = left.get(request)?.shift();
      const answer = failure === undefined ? perform[request](fd, new DataView(block.buffer)) : fail(failure);
      const effect = typeof answer === 'number' ? {} : answer;
      asked.push({ fd, request, block: before, leaves: effect.leaves ?? 0, converted: effect.converted ?? 0 });
      return typeof answer === 'number' ? answer : 0;
    },
    memfdCreate: () => opened<FakeFile>(files, { machine: null, pages: new Set() }),
    ftruncate: () => 0,
    fallocate(fd, mode, offset, bytes) {
      const file = files.get(fd);
      if (file === undefined) return fail(EBADF);
      const pages = Array.from({ length: bytes / PAGE_BYTES }, (_, page) => offset / PAGE_BYTES + page);
      if (mode !== Allocate.Hole) for (const page of pages) file.pages.add(page);
      else holes.push({ leaves: file.machine === null ? 0 : clear(file.machine, pages), pages: pages.filter((page) => file.pages.delete(page)).length });
      return 0;
    },
    mmap(_address, _bytes, _protection, flags, fd) {
      if ((flags & MapFlag.Anonymous) === 0 && !files.has(fd)) return fail(EBADF);
      return opened(mappings, fd) * 0x1000_0000;
    },
    munmap: (address) => (mappings.delete(address / 0x1000_0000) ? 0 : fail(EINVAL)),
    madvise: (address, _bytes, advice) => (advice === Advice.NoHugePage || !mappings.has(address / 0x1000_0000) ? fail(EAGAIN) : 0),
  };
  return { libc: libc as Libc, asked, holes, open: () => machines.size + files.size + others.size + mappings.size };
}
