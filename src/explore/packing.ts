/**
 * Packing: a state as few 32-bit words, by code that is generated from the maxima of its fields.
 *
 * The locals of each task are packed apart and kept once in a table, and a state holds only their number there: tasks
 * pass through few combinations of locals, and states combine them (Holzmann, "State Compression in Spin", 1997).
 * No field lies across two words, so that packing and unpacking are shifts and masks.
 */
import { UserError } from '../model/userError.ts';

/** One element of one typed array, and its largest value. Bits of `ghost` are no part of the state: they come back as zero. */
export interface Field {
  readonly array: Uint8Array | Uint16Array | Uint32Array | Int32Array;
  readonly index: number;
  readonly max: number;
  readonly ghost?: number;
}

export interface Packing {
  readonly words: number;
  readonly bits: number;
  /** Writes the fields to `out` from `at` on. */
  pack(out: Uint32Array, at: number): void;
  /** Reads them back. */
  unpack(from: Uint32Array, at: number): void;
}

interface Placed {
  readonly name: string;
  readonly index: number;
  readonly word: number;
  readonly shift: number;
  readonly mask: number;
  readonly keep: number;
}

const bitsOf = (max: number): number => 32 - Math.clz32(max);

/** Generates the code for a list of fields. Fields whose maximum is 0 take no room. */
export const createPacking = (fields: readonly Field[]): Packing => createGroupPacking([fields]);

/** The same for groups of fields, each in as many words as the largest needs: group n begins at word n x words / groups. */
export function createGroupPacking(groups: readonly (readonly Field[])[]): Packing {
  const fields = groups.flat();
  const arrays = [...new Set(fields.map(({ array }) => array))];
  const names = new Map(arrays.map((array, nth) => [array, `a${nth}`]));
  const nameOf = (field: Field): string => names.get(field.array) ?? '';
  const placedGroups = groups.map((group) => placeFields(group, nameOf));
  const stride = Math.max(0, ...placedGroups.map(({ words }) => words));
  const placed = placedGroups.flatMap((group, nth) => group.placed.map((field) => ({ ...field, word: field.word + nth * stride })));
  const bits = placedGroups.reduce((sum, group) => sum + group.bits, 0);
  const words = stride * groups.length;
  const zeros = fields.filter(({ max, ghost = 0 }) => bitsOf(max & ~ghost) === 0 && ghost !== 0);
  const packLines = Array.from({ length: words }, (_, at) => {
    const parts = placed.filter((field) => field.word === at).map(({ name, index, shift, keep }) => `(${name}[${index}] & ${keep >>> 0}) << ${shift}`);
    return `out[at + ${at}] = ${parts.length === 0 ? '0' : parts.join(' | ')};`;
  });
  const unpackLines = [
    ...Array.from({ length: words }, (_, at) => `const w${at} = from[at + ${at}];`),
    ...placed.map(({ name, index, word: at, shift, mask }) => `${name}[${index}] = (w${at} >>> ${shift}) & ${mask >>> 0};`),
    ...zeros.map(({ array, index }) => `${names.get(array)}[${index}] = 0;`),
  ];
  const code = `return { pack(out, at) { ${packLines.join('\n')} }, unpack(from, at) { ${unpackLines.join('\n')} } };`;
  return { words, bits, ...builderOf([...names.values()], code)(...arrays) };
}

type Builder = (...values: readonly Field['array'][]) => Pick<Packing, 'pack' | 'unpack'>;

/** By their code: what is compiled for one litmus is fast from the start for another with the same fields. */
const builders = new Map<string, Builder>();
const BUILDERS_MAX = 1024;

function builderOf(names: readonly string[], code: string): Builder {
  const known = builders.get(code);
  if (known !== undefined) return known;
  if (builders.size >= BUILDERS_MAX) builders.clear();
  const builder = new Function(...names, code) as Builder;
  builders.set(code, builder);
  return builder;
}

function placeFields(fields: readonly Field[], nameOf: (field: Field) => string): { readonly placed: readonly Placed[]; readonly words: number; readonly bits: number } {
  /** By word: bits that are taken. */
  const used: number[] = [];
  let bits = 0;
  const placed: Placed[] = [];
  for (const field of fields) {
    const { index, max, ghost = 0 } = field;
    const width = bitsOf(max & ~ghost);
    if (width === 0) continue;
    const fitting = used.findIndex((taken) => taken + width <= 32);
    const word = fitting < 0 ? used.length : fitting;
    const shift = used[word] ?? 0;
    const mask = width === 32 ? 0xffffffff : (1 << width) - 1;
    placed.push({ name: nameOf(field), index, word, shift, mask, keep: mask & ~ghost });
    used[word] = shift + width;
    bits += width;
  }
  return { placed, words: used.length, bits };
}

const PRIMES = [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35] as const;

/** A hash of `words` words, as a signed number of 32 bits; the same on every machine. */
export function hashWords(from: Uint32Array, at: number, words: number): number {
  let hash = words;
  for (let word = at; word < at + words; word++) {
    hash = Math.imul(hash ^ from[word], PRIMES[0]);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash ^ (hash >>> 16), PRIMES[1]);
  hash = Math.imul(hash ^ (hash >>> 13), PRIMES[2]);
  return hash ^ (hash >>> 16);
}

/** log2 of the rows of a chunk: a store grows by chunks, and never copies what it holds. */
const CHUNK_ORDER = 12;
const CHUNK_ROWS = 1 << CHUNK_ORDER;
const INDEX_LENGTH = 1 << 12;
/** An index is at most half full, and grows by this much: since hashes are kept, growing costs less than the memory that larger steps would take. */
const GROWTH = 2;
/** Rows that come in at once are at most so many: packed, they fit into a cache of the first level. */
export const ROWS_AT_ONCE = 256;

/**
 * A set of rows of words, numbered in the order of their coming, which never forgets: for states it is the queue too.
 *
 * A place of the index holds the number of a row plus one (0 = free) and, in the bits above, those of the row's hash that do not
 * say the place: a row is looked at only where it is almost surely the same.
 * @throws UserError from `insert` and `insertAll` where there is no memory for more
 */
export class RowSet {
  readonly words: number;
  /** How many rows there are. */
  count = 0;
  private readonly chunks: Uint32Array[] = [];
  private readonly hashes = new RowColumn();
  private index = new Uint32Array(INDEX_LENGTH);
  /** Of rows that come in at once: their hashes, and what the index says of them before they do. */
  private readonly askedHashes = new Int32Array(ROWS_AT_ONCE);
  private readonly answers = new Uint32Array(ROWS_AT_ONCE);

  constructor(words: number) {
    this.words = Math.max(1, words);
  }

  /** The number of the row that stands at `from[at]`, which comes in where it is new. */
  insert(from: Uint32Array, at: number): number {
    return this.insertHashed(from, at, hashWords(from, at, this.words));
  }

  /**
   * Writes the numbers of the first `count` rows that stand one behind another in `from`. Those that are new come in, in their order.
   *
   * A large index is in no cache. So all places are read before any is needed: memory answers many questions in the time of one.
   */
  insertAll(from: Uint32Array, count: number, numbers: Uint32Array): void {
    const { words, index, askedHashes, answers } = this;
    const mask = index.length - 1;
    for (let nth = 0; nth < count; nth++) askedHashes[nth] = hashWords(from, nth * words, words);
    for (let nth = 0; nth < count; nth++) answers[nth] = index[askedHashes[nth] & mask];
    for (let nth = 0; nth < count; nth++) numbers[nth] = this.insertHashed(from, nth * words, askedHashes[nth]);
  }

  private insertHashed(from: Uint32Array, at: number, hash: number): number {
    if (this.count * 2 > this.index.length) this.grow();
    const { words, index, chunks } = this;
    const mask = index.length - 1;
    let place = hash & mask;
    for (; index[place] !== 0; place = (place + 1) & mask) {
      const entry = index[place];
      if (((entry ^ hash) & ~mask) !== 0) continue;
      const row = (entry & mask) - 1;
      if (this.standsAt(row, from, at)) return row;
    }
    const row = this.count++;
    if ((row & (CHUNK_ROWS - 1)) === 0) chunks.push(allocate(CHUNK_ROWS * words));
    const chunk = chunks[row >>> CHUNK_ORDER];
    const base = (row & (CHUNK_ROWS - 1)) * words;
    for (let word = 0; word < words; word++) chunk[base + word] = from[at + word];
    this.hashes.set(row, hash);
    index[place] = (hash & ~mask) | (row + 1);
    return row;
  }

  /** The number of the row that stands at `from[at]`, or -1. */
  find(from: Uint32Array, at: number): number {
    const { words, index } = this;
    const mask = index.length - 1;
    const hash = hashWords(from, at, words);
    for (let place = hash & mask; index[place] !== 0; place = (place + 1) & mask) {
      const entry = index[place];
      const row = (entry & mask) - 1;
      if (((entry ^ hash) & ~mask) === 0 && this.standsAt(row, from, at)) return row;
    }
    return -1;
  }

  /** The chunk that holds a row, and where the row begins in it. */
  chunkOf(row: number): Uint32Array {
    return this.chunks[row >>> CHUNK_ORDER];
  }

  placeOf(row: number): number {
    return (row & (CHUNK_ROWS - 1)) * this.words;
  }

  /** Whether a row is what stands at `from[at]`. */
  private standsAt(row: number, from: Uint32Array, at: number): boolean {
    const { words } = this;
    const chunk = this.chunks[row >>> CHUNK_ORDER];
    const base = (row & (CHUNK_ROWS - 1)) * words;
    let word = 0;
    while (word < words && chunk[base + word] === from[at + word]) word++;
    return word === words;
  }

  private grow(): void {
    const larger = allocate(this.index.length * GROWTH);
    const mask = larger.length - 1;
    for (let row = 0; row < this.count; row++) {
      const hash = this.hashes.get(row);
      let place = hash & mask;
      while (larger[place] !== 0) place = (place + 1) & mask;
      larger[place] = (hash & ~mask) | (row + 1);
    }
    this.index = larger;
  }
}

/** Numbers that go with the rows of a set, one a row, growing by chunks. */
export class RowColumn {
  private readonly chunks: Uint32Array[] = [];

  get(row: number): number {
    return this.chunks[row >>> CHUNK_ORDER][row & (CHUNK_ROWS - 1)];
  }

  set(row: number, value: number): void {
    const chunk = row >>> CHUNK_ORDER;
    if (chunk >= this.chunks.length) this.chunks.push(allocate(CHUNK_ROWS));
    this.chunks[chunk][row & (CHUNK_ROWS - 1)] = value;
  }
}

/** Whether two arrays of one length hold the same: a loop, since `every` calls a function for each byte. */
export function sameElements<T extends Uint8Array | Float64Array>(one: T, other: T): boolean {
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false;
  return true;
}

function allocate(length: number): Uint32Array<ArrayBuffer> {
  try {
    return new Uint32Array(length);
  } catch {
    throw new UserError({
      what: 'there are more states than memory',
      why: `no memory for another ${Math.ceil((length * 4) / 0x100000)} MiB`,
      fix: 'explore a smaller world (fewer pages, threads or operations), or bound the search with --max-states',
    });
  }
}
