/**
 * Latency histograms: log-linear buckets over virtual nanoseconds, 32 to each power of two.
 *
 * A value falls into a bucket by its integer part `n`:
 *
 *   n < 32     index = n                              one nanosecond wide; zero has its own
 *   otherwise  index = 32 x shift + (n >> shift)      2^shift wide, where shift = floor(log2 n) - 5
 *
 *   n          0  1 ... 31 | 32 33 ... 63 | 64 66 ... 126 | 128 132 ... 252 | ...
 *   index      0  1 ... 31 | 32 33 ... 63 | 64 65 ...  95 |  96  97 ... 127 | ...
 *
 * `n >> shift` keeps the six leading bits, so it is 32 to 63 and the rows join without a gap. A bucket holds
 * [lower edge, upper edge); from 32 ns on it is at most 1/32 (3.1 %) of its lower edge wide.
 * Only integer arithmetic: `Math.log2` may round differently in another version of Node.
 *
 * Count, total, minimum and maximum are exact beside the buckets. Values are multiples of 1/8 ns, so the total is exact
 * up to 2^50 ns (13 days).
 */
import { UserError } from '../model/userError.ts';

/** A bucket that is not empty: its upper edge in ns (exclusive), and how many values it holds. */
export type BucketPair = readonly [upperEdgeNs: number, count: number];

/** What the buckets alone have forgotten; a record keeps it beside them. */
export interface HistogramSummary {
  readonly minNs: number;
  readonly meanNs: number;
  readonly maxNs: number;
}

const SUB_BUCKETS = 32;
const SUB_BUCKET_BITS = 5;
const VALUE_BITS = 53;
/** Values end below 2^53 ns, 104 days. */
const LIMIT_NS = Number.MAX_SAFE_INTEGER + 1;
const BUCKET_COUNT = SUB_BUCKETS * (VALUE_BITS - SUB_BUCKET_BITS + 1);
const TWO_32 = 0x1_0000_0000;
/** Percentiles are asked for with up to three decimals (p99.999). */
const PERCENT_PARTS = 1000;

export class Histogram {
  /** How many values were recorded. */
  count = 0;
  /** Their exact sum. */
  totalNs = 0;

  private readonly buckets = new Float64Array(BUCKET_COUNT);
  private least = Infinity;
  private greatest = -Infinity;

  /** Smallest value, exact; null when empty. */
  get minNs(): number | null {
    return this.count === 0 ? null : this.least;
  }

  /** Largest value, exact; null when empty. */
  get maxNs(): number | null {
    return this.count === 0 ? null : this.greatest;
  }

  /** Mean of the values themselves, not of their buckets; null when empty. */
  get meanNs(): number | null {
    return this.count === 0 ? null : this.totalNs / this.count;
  }

  /** Adds one value. Throws a RangeError unless 0 <= ns < 2^53. Allocates nothing. */
  record(ns: number): void {
    if (!(ns >= 0 && ns < LIMIT_NS)) throw new RangeError(`a latency has to be from 0 to below 2^53 ns, got ${ns}`);
    this.buckets[bucketIndex(ns)]++;
    this.count++;
    this.totalNs += ns;
    if (ns < this.least) this.least = ns;
    if (ns > this.greatest) this.greatest = ns;
  }

  /**
   * Upper edge in ns of the bucket that holds the value of rank ceil(percent / 100 x count), so above that value by at most
   * 1/32 of it (below 32 ns by at most 1 ns); null when empty. `percent` is from 0 to 100 with up to three decimals; 0 asks for the first rank.
   * Throws a RangeError otherwise.
   */
  percentile(percent: number): number | null {
    if (!(percent >= 0 && percent <= 100)) throw new RangeError(`a percentile has to be from 0 to 100, got ${percent}`);
    if (this.count === 0) return null;
    // In whole thousandths: 99.9 / 100 x 1000 is 999.0000000000001 in doubles, which would be the next rank.
    const parts = Math.round(percent * PERCENT_PARTS);
    const rank = Math.max(1, Math.ceil((parts * this.count) / (100 * PERCENT_PARTS)));
    let seen = 0;
    for (let index = 0; index < BUCKET_COUNT; index++) {
      seen += this.buckets[index];
      if (seen >= rank) return bucketUpperEdgeNs(index);
    }
    throw new Error(`buckets hold ${seen} values, expected ${this.count}`);
  }

  /** Adds the values of another histogram to this one. The result is the same in any order of merging, as long as the total is exact. */
  merge(other: Histogram): void {
    for (let index = 0; index < BUCKET_COUNT; index++) this.buckets[index] += other.buckets[index];
    this.count += other.count;
    this.totalNs += other.totalNs;
    if (other.least < this.least) this.least = other.least;
    if (other.greatest > this.greatest) this.greatest = other.greatest;
  }

  /** The buckets that are not empty, by rising edge: what a record stores. */
  pairs(): readonly BucketPair[] {
    const pairs: BucketPair[] = [];
    this.buckets.forEach((count, index) => {
      if (count > 0) pairs.push([bucketUpperEdgeNs(index), count]);
    });
    return pairs;
  }

  /**
   * The histogram that wrote these pairs, from them and the exact figures that stood beside them in the record. `summary`
   * is null for an empty one. The total comes back exact up to 2^48 ns (3 days): values are multiples of 1/8 ns, so it is
   * the multiple next to mean x count.
   *
   * Throws a UserError for pairs and figures that no histogram writes.
   */
  static fromPairs(pairs: readonly BucketPair[], summary: HistogramSummary | null): Histogram {
    const histogram = new Histogram();
    let previous = -1;
    for (const [upperEdgeNs, count] of pairs) {
      const index = indexOfUpperEdge(upperEdgeNs);
      if (index === null) throw damaged(`no bucket ends at ${upperEdgeNs} ns`);
      if (index <= previous) throw damaged(`the bucket that ends at ${upperEdgeNs} ns is out of order`);
      if (!(Number.isSafeInteger(count) && count > 0)) throw damaged(`the bucket that ends at ${upperEdgeNs} ns holds ${count} values`);
      histogram.buckets[index] = count;
      histogram.count += count;
      previous = index;
    }
    if (pairs.length === 0 && summary === null) return histogram;
    if (pairs.length === 0 || summary === null) {
      throw damaged(`${histogram.count} values with ${summary === null ? 'no' : 'a'} minimum, mean and maximum`);
    }
    const { minNs, meanNs, maxNs } = summary;
    const [firstEdgeNs] = pairs[0];
    const [lastEdgeNs] = pairs[pairs.length - 1];
    if (edgeAbove(minNs) !== firstEdgeNs) throw damaged(`the minimum ${minNs} ns is not in the first bucket, which ends at ${firstEdgeNs} ns`);
    if (edgeAbove(maxNs) !== lastEdgeNs) throw damaged(`the maximum ${maxNs} ns is not in the last bucket, which ends at ${lastEdgeNs} ns`);
    if (!(meanNs >= minNs && meanNs <= maxNs)) throw damaged(`the mean ${meanNs} ns is not between ${minNs} and ${maxNs} ns`);
    histogram.least = minNs;
    histogram.greatest = maxNs;
    histogram.totalNs = Math.round(meanNs * histogram.count * 8) / 8;
    return histogram;
  }
}

/** The bucket of a value, 0 <= ns < 2^53. */
export function bucketIndex(ns: number): number {
  if (ns < TWO_32) {
    const low = ns >>> 0; // the integer part
    if (low < SUB_BUCKETS) return low;
    const shift = 31 - SUB_BUCKET_BITS - Math.clz32(low);
    return SUB_BUCKETS * shift + (low >>> shift);
  }
  // Two words, since `>>>` works on 32 bits. `>>> 0` is the value modulo 2^32.
  const high = (ns / TWO_32) >>> 0;
  const shift = 63 - SUB_BUCKET_BITS - Math.clz32(high);
  const leading = shift < 32 ? (high << (32 - shift)) | ((ns >>> 0) >>> shift) : high >>> (shift - 32);
  return SUB_BUCKETS * shift + leading;
}

/** Upper edge of a bucket in ns, exclusive: the lower edge of the next one. */
export function bucketUpperEdgeNs(index: number): number {
  if (index < SUB_BUCKETS) return index + 1;
  const shift = Math.floor(index / SUB_BUCKETS) - 1;
  return (index - SUB_BUCKETS * shift + 1) * powerOfTwo(shift);
}

/** 2^exponent, 0 <= exponent < 62. */
function powerOfTwo(exponent: number): number {
  return exponent < 31 ? 1 << exponent : (1 << (exponent - 31)) * 0x8000_0000;
}

/** The bucket that ends at this edge; null where none does. */
function indexOfUpperEdge(upperEdgeNs: number): number | null {
  if (!(Number.isInteger(upperEdgeNs) && upperEdgeNs >= 1 && upperEdgeNs <= LIMIT_NS)) return null;
  const index = bucketIndex(upperEdgeNs - 1);
  return bucketUpperEdgeNs(index) === upperEdgeNs ? index : null;
}

/** Upper edge of the bucket of a value that was read from a file; null where it has none. */
function edgeAbove(ns: number): number | null {
  return ns >= 0 && ns < LIMIT_NS ? bucketUpperEdgeNs(bucketIndex(ns)) : null;
}

function damaged(why: string): UserError {
  return new UserError({ what: 'damaged latency histogram', why, fix: 'run the comparison again, or take the file from a backup' });
}
