/**
 * What an operation of the kernel can answer, as small numbers that fit a column. `OK` is zero, as in the kernel.
 *
 * `outcome` columns hold an index into this list, and the tally counts refusals by it.
 */
export const ERRNOS = ['OK', 'EAGAIN', 'EBUSY', 'EFAULT', 'EINVAL', 'ENODEV', 'ENOMEM', 'EPERM', 'SIGBUS', 'SIGSEGV'] as const;

export type ErrnoName = (typeof ERRNOS)[number];

export const Errno = {
  OK: 0,
  EAGAIN: 1,
  EBUSY: 2,
  EFAULT: 3,
  EINVAL: 4,
  ENODEV: 5,
  ENOMEM: 6,
  EPERM: 7,
  /** Not an errno of a call: what a CPU access ends with. */
  SIGBUS: 8,
  SIGSEGV: 9,
} as const satisfies Record<ErrnoName, number>;
