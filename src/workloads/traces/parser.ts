/**
 * Parses records byte by byte: no strings, no allocation, some 200 ns a record.
 *
 * It only tells good records from others; why a record is no good is found by `explainRecord`, which reads it as text.
 * Both follow traces/README.md, and a test damages every byte of a trace to see that they agree.
 */
import { DIGITS_MAX, DIRECTION_NAMES, DMA, HOST, OP_NAMES, PAGE_BYTES, RECORDS_LENGTH, RecordOp, VCPU_0, type TraceRecords } from './format.ts';
import type { TraceHeader } from './header.ts';

const COMMA = 44;
const NEWLINE = 10;
const ZERO = 48;

/** The names with the comma that ends the field. */
const inBytes = (names: readonly string[]) => names.map((name) => new TextEncoder().encode(`${name},`));
const OPS = inBytes(OP_NAMES);
const DIRECTIONS = inBytes(DIRECTION_NAMES);
const [HOST_BYTES, DMA_BYTES, VCPU_BYTES] = ['host,', 'dma,', 'vcpu'].map((text) => new TextEncoder().encode(text));

export class RecordParser {
  /** The last parse ended at a record that it does not take. */
  stopped = false;
  /** Time of the last record that was taken. */
  previousNs = 0;

  private readonly records: TraceRecords;
  private readonly isDma: boolean;
  /** The first operation that a trace of this kind does not have. */
  private readonly opEnd: number;
  private readonly pageCount: number;
  private readonly vcpuCount: number;
  private bytes: Uint8Array = new Uint8Array(0);
  private at = 0;

  constructor({ kind, pageCount, vcpuCount, initialState }: TraceHeader, records: TraceRecords) {
    this.records = records;
    this.isDma = kind === 'dma';
    this.opEnd = initialState === null ? RecordOp.ToShared : RecordOp.DmaMap;
    this.pageCount = pageCount;
    this.vcpuCount = vcpuCount;
  }

  /**
   * Adds records from the complete lines in `bytes` [from, to) until the columns are full, the lines end, or one is no good.
   * @returns the offset of the first line that was not taken
   */
  parse(bytes: Uint8Array, from: number, to: number): number {
    const { records, isDma } = this;
    this.bytes = bytes;
    this.at = from;
    this.stopped = false;
    let lineAt = from;
    while (lineAt < to && records.count < RECORDS_LENGTH) {
      this.stopped = !(isDma ? this.dmaRecord(records.count) : this.touchRecord(records.count));
      if (this.stopped) break;
      records.count++;
      lineAt = this.at;
    }
    return lineAt;
  }

  private touchRecord(i: number): boolean {
    const { records } = this;
    if (!this.time(i)) return false;
    const actor = this.actor();
    const op = this.word(OPS);
    if (actor < 0 || op < 0 || op >= this.opEnd) return false;
    if (op >= RecordOp.ToShared && actor < VCPU_0) return false;
    records.actor[i] = actor;
    records.op[i] = op;
    return this.range(i, NEWLINE) && (op >= RecordOp.Release || records.pageCount[i] === 1);
  }

  private dmaRecord(i: number): boolean {
    const { records } = this;
    if (!this.time(i) || !this.skip(DMA_BYTES)) return false;
    const op = this.word(OPS);
    if (op < RecordOp.DmaMap || !this.range(i, COMMA)) return false;
    records.actor[i] = DMA;
    records.op[i] = op;
    const offset = this.number(COMMA);
    const bytes = this.number(COMMA);
    if (offset < 0 || offset >= PAGE_BYTES || bytes < 1) return false;
    if (records.pageCount[i] !== pagesOf(offset, bytes)) return false;
    records.offset[i] = offset;
    if (!this.skipField()) return false;
    const direction = this.word(DIRECTIONS);
    if (direction < 0) return false;
    records.direction[i] = direction;
    return op >= RecordOp.CoherentAlloc ? this.noOriginal(i) : this.original(i);
  }

  private time(i: number): boolean {
    const tNs = this.number(COMMA);
    if (tNs < this.previousNs) return false; // -1 included
    this.records.tNs[i] = tNs;
    this.previousNs = tNs;
    return true;
  }

  private actor(): number {
    if (this.skip(HOST_BYTES)) return HOST;
    if (!this.skip(VCPU_BYTES)) return -1;
    const first = this.at;
    const vcpu = this.number(COMMA);
    const isCanonical = this.bytes[first] !== ZERO || this.at === first + 2;
    return vcpu < this.vcpuCount && vcpu >= 0 && isCanonical ? VCPU_0 + vcpu : -1;
  }

  private range(i: number, terminator: number): boolean {
    const page = this.number(COMMA);
    const count = this.number(terminator);
    if (page < 0 || count < 1 || page + count > this.pageCount) return false;
    this.records.page[i] = page;
    this.records.pageCount[i] = count;
    return true;
  }

  private original(i: number): boolean {
    const page = this.number(COMMA);
    const count = this.number(NEWLINE);
    if (page < 0 || count < 1 || page + count > this.pageCount) return false;
    this.records.originalPage[i] = page;
    this.records.originalPageCount[i] = count;
    return true;
  }

  private noOriginal(i: number): boolean {
    this.records.originalPage[i] = 0;
    this.records.originalPageCount[i] = 0;
    return this.bytes[this.at++] === COMMA && this.bytes[this.at++] === NEWLINE;
  }

  /** A number of 1 to 15 digits that ends with `terminator`, which is taken too; else -1. */
  private number(terminator: number): number {
    const { bytes } = this;
    const first = this.at;
    let at = first;
    let value = 0;
    for (let digit = bytes[at] - ZERO; digit >= 0 && digit <= 9; digit = bytes[++at] - ZERO) value = value * 10 + digit;
    if (at === first || at - first > DIGITS_MAX || bytes[at] !== terminator) return -1;
    this.at = at + 1;
    return value;
  }

  /** The index of the word that stands here with its comma; -1 where it is none of them. */
  private word(words: readonly Uint8Array[]): number {
    for (let index = 0; index < words.length; index++) if (this.skip(words[index])) return index;
    return -1;
  }

  private skip(expected: Uint8Array): boolean {
    const { bytes, at } = this;
    for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false;
    this.at = at + expected.length;
    return true;
  }

  /** A field of any text that is not empty. */
  private skipField(): boolean {
    const { bytes } = this;
    const first = this.at;
    let at = first;
    while (bytes[at] !== COMMA && bytes[at] !== NEWLINE) at++;
    this.at = at + 1;
    return at > first && bytes[at] === COMMA;
  }
}

/** Pages that hold `bytes` bytes from `offset` of the first one on. */
export function pagesOf(offset: number, bytes: number): number {
  return Math.ceil((offset + bytes) / PAGE_BYTES);
}
