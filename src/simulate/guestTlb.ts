/**
 * The guest's TLBs: which translations a vCPU still has, so that a guest that has lost its large stage-2 leaves pays for it at every
 * access that misses, for good.
 *
 * A TLB entry holds what the guest's page table and stage-2 say together, and maps as much as the smaller leaf of the two. One
 * second-level TLB a vCPU: 2048 entries for leaves of all sizes, four ways, first in, first out. A kick empties it. It only costs
 * time and changes nothing, so it is no state of the world, and the explorer has none.
 *
 * Source: the tables of TLB parameters in Intel's "64 and IA-32 Architectures Optimization Reference Manual" (248966): 1536
 * entries since Skylake, 2048 since Ice Lake, shared by leaves of 4 KiB and 2 MiB; AMD's second-level TLBs have as many.
 * Differs from Linux: the guest's own leaves are as large as those of stage-2, or larger; no first level, and no prefetch; leaves of
 * 1 GiB have no places of their own; 4 ways where processors have 8 to 16; a vCPU is its CPU and shares it with nobody; a kick
 * flushes everything that the vCPU has.
 */
import type { GuestTlb } from '../model/meter.ts';
import { Leaf } from '../model/stage2.ts';
import type { LeafKind } from '../model/stage2.ts';
import type { Shape } from '../model/shape.ts';

export const TLB_WAYS = 4;
export const TLB_SETS = 512;
const WAYS_ORDER = 2;
const SETS_ORDER = 9;
/** Bits that a tag has for the kind of its leaf. */
const KIND_BITS = 2;

/** A flush takes back so many entries one by one, and clears everything where there were more. */
const FILLED_MAX = 64;

export class GuestTlbs implements GuestTlb {
  /** By CPU, set and way: 0, or what is left of the leaf's number beside its set, and its kind. */
  private readonly tags: Int32Array;
  /** By CPU and set: the way that is replaced next, as far as its lowest bits say. */
  private readonly oldest: Uint8Array;
  /** By CPU: places that were filled since the last flush, and how many. */
  private readonly filled: Int32Array;
  private readonly filledCount: Int32Array;
  private readonly regionOrder: number;
  private readonly giganticOrder: number;

  /** TLBs that are empty, one a CPU of the world. */
  constructor({ cpus, regionOrder, giganticOrder = 0 }: Pick<Shape, 'cpus' | 'regionOrder' | 'giganticOrder'>) {
    this.tags = new Int32Array((cpus << SETS_ORDER) << WAYS_ORDER);
    this.oldest = new Uint8Array(cpus << SETS_ORDER);
    this.filled = new Int32Array(cpus * FILLED_MAX);
    this.filledCount = new Int32Array(cpus);
    this.regionOrder = regionOrder;
    this.giganticOrder = giganticOrder;
  }

  /** The CPU translates a page that such a leaf maps. @returns whether it has to walk the tables; it has the translation from then on */
  misses(cpu: number, page: number, leaf: LeafKind): boolean {
    const { tags } = this;
    const number = leaf === Leaf.Small ? page : page >>> (leaf === Leaf.Large ? this.regionOrder : this.giganticOrder);
    const set = (cpu << SETS_ORDER) | (number & (TLB_SETS - 1));
    const tag = ((number >>> SETS_ORDER) << KIND_BITS) | leaf;
    const first = set << WAYS_ORDER;
    if (tags[first] === tag || tags[first | 1] === tag || tags[first | 2] === tag || tags[first | 3] === tag) return false;
    this.fill(cpu, set, tag);
    return true;
  }

  private fill(cpu: number, set: number, tag: number): void {
    const place = (set << WAYS_ORDER) | (this.oldest[set]++ & (TLB_WAYS - 1));
    this.tags[place] = tag;
    const count = this.filledCount[cpu];
    if (count > FILLED_MAX) return;
    this.filledCount[cpu] = count + 1;
    if (count < FILLED_MAX) this.filled[cpu * FILLED_MAX + count] = place;
  }

  /** The CPU has no translation any more. */
  flush(cpu: number): void {
    const { tags, filled } = this;
    const count = this.filledCount[cpu];
    this.filledCount[cpu] = 0;
    if (count > FILLED_MAX) tags.fill(0, (cpu << SETS_ORDER) << WAYS_ORDER, ((cpu + 1) << SETS_ORDER) << WAYS_ORDER);
    else for (let nth = cpu * FILLED_MAX; nth < cpu * FILLED_MAX + count; nth++) tags[filled[nth]] = 0;
  }
}
