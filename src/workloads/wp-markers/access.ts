/**
 * Accesses of the family `wp-markers`: what threads of a process, the snapshotter and the kernel's own threads do to a shmem file that is
 * write-protected by userfaultfd. The monitor that resolves faults is no actor: it answers by itself.
 */
import type { OpenedWorkload } from '../workload.ts';

export const WpAccess = {
  /** A load or store of `page` through the process's window. */
  Read: 1,
  Write: 2,
  /** UFFDIO_WRITEPROTECT of [page, page + count), and its opposite, which wakes who waits. */
  Protect: 3,
  Unprotect: 4,
  /** PAGEMAP_SCAN of [page, page + count) for what was written; `ScanProtect` protects what it reports (PM_SCAN_WP_MATCHING). */
  Scan: 5,
  ScanProtect: 6,
  /** MADV_DONTNEED of [page, page + count). */
  DontNeed: 7,
  /** Memory pressure: the pages of [page, page + count) that nobody else has go to swap. */
  Reclaim: 8,
  /** fallocate punches a hole of [page, page + count). */
  Punch: 9,
  /** The process forks the process `slot`; without fork events the child is not tracked, with them it is. */
  Fork: 10,
  ForkWithEvents: 11,
  /** The process exits. Its next access waits until it is born again. */
  Exit: 12,
  /** NUMA balancing makes the entries of [page, page + count) hints. */
  NumaScan: 13,
  /** `page` moves to another node. */
  Migrate: 14,
  /** A long-term pin of `page` for reading, in `slot`, and its end. */
  Pin: 15,
  Unpin: 16,
  /** pagemap's bit of `page`. */
  ReadBit: 17,
} as const;
export type WpAccessKind = (typeof WpAccess)[keyof typeof WpAccess];

export interface OpenedWpWorkload extends OpenedWorkload {
  /** Faults are resolved by the kernel, and scans tell what was written (UFFD_FEATURE_WP_ASYNC). */
  readonly wpAsync?: true;
}

export const isAsync = (opened: OpenedWpWorkload): boolean => opened.wpAsync === true;
