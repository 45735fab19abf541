/** Numbers of slots that are free, lowest first: the same trace always names the same slots. */
const FREE = 0xffff_ffff;

export class FreeSlots {
  /** One bit a slot, set while it is free. */
  private readonly words: Uint32Array;

  /** @param count a multiple of 32 */
  constructor(count: number) {
    this.words = new Uint32Array(count >> 5).fill(FREE);
  }

  /** The lowest free slot, taken; -1 where there is none. */
  take(): number {
    const { words } = this;
    for (let word = 0; word < words.length; word++) {
      const bits = words[word];
      if (bits === 0) continue;
      const lowest = bits & -bits;
      words[word] = bits ^ lowest;
      return word * 32 + 31 - Math.clz32(lowest);
    }
    return -1;
  }

  giveBack(slot: number): void {
    this.words[slot >> 5] |= 1 << (slot & 31);
  }
}
