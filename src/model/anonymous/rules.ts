/**
 * What a policy of the family `unsharing` decides, and mistakes that a kernel could make around it: the explorer has to find each of them.
 */
export interface UnsharingRules {
  /**
   * What GUP does with a pin for reading of a page that may be shared: mapped read-only and not PageAnonExclusive, or, for a long-term pin,
   * no anonymous page at all. `pin`: whatever the entry maps; `fail`: EFAULT; `unshare`: a fault with FAULT_FLAG_UNSHARE first.
   */
  readonly onShared: 'pin' | 'fail' | 'unshare';
  /** A rule of the kernel that is left out; default: none. */
  readonly mistake?: Mistake;
}

export type Mistake =
  /** fork shares pinned pages like all others. */
  | 'fork-ignores-pins'
  /** GUP-fast does not look whether a fork write-protected meanwhile. */
  | 'ignores-fork-sequence'
  /** GUP-fast does not read the entry again behind its reference. */
  | 'reads-entry-once'
  /** Reclaim looks for pins before it clears the entry. */
  | 'looks-before-it-clears'
  /** The write fault copies a page that it holds no reference on. */
  | 'copies-without-reference';
