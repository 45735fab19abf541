/**
 * Reads one trace file as a stream: bytes in, columns of records out, nothing built in between.
 *
 * A line is parsed byte by byte; at the first doubt `explainRecord` looks at it again, slowly, and finds the reason.
 * Here a record is judged by itself and by the one before it (time never goes back); whether it fits the guest's history
 * (a page touched twice, an unmap without a map) is judged where the history is kept.
 */
import type { ByteSource } from './bytes.ts';
import { isZlibError, openBytes } from './bytes.ts';
import { damaged } from './damage.ts';
import { explainRecord } from './explain.ts';
import { RecordOp, createTraceRecords, type TraceRecords } from './format.ts';
import { createHeaderReader, type TraceHeader } from './header.ts';
import { RecordParser } from './parser.ts';

const NEWLINE = 10;
/** A record has some 60 bytes, a header line a few hundred; a file without line ends is not read into memory. */
const LINE_BYTES_MAX = 65_536;

export interface TraceReader {
  readonly header: TraceHeader;
  /** The next records of the file, always in the same columns; null at its end. @throws UserError with the line of the damage */
  read(): Promise<TraceRecords | null>;
  close(): void;
}

/** @throws UserError */
export async function openTraceFile(file: string): Promise<TraceReader> {
  return readTrace(file, await openBytes(file));
}

/** Reads the header; records follow by `read`. The source is closed on damage. @throws UserError */
export async function readTrace(file: string, source: ByteSource): Promise<TraceReader> {
  const lines = createLines(file, source);
  try {
    const headerReader = createHeaderReader(file);
    for (;;) {
      const text = await lines.takeText();
      if (text === null) throw damaged(file, lines.taken() + 1, 'the file ends before the line that names the columns');
      const header = headerReader.add(text);
      if (header !== null) return recordsOf(header, lines, source);
    }
  } catch (error) {
    source.close();
    throw error;
  }
}

function recordsOf(header: TraceHeader, lines: Lines, source: ByteSource): TraceReader {
  const { file, lineCount, recordCount, distinctPages } = header;
  const records = createTraceRecords();
  const parser = new RecordParser(header, records);
  let total = 0;
  let firstTouches = 0;

  async function read(): Promise<TraceRecords | null> {
    if (!(await lines.fill())) return end();
    records.count = 0;
    records.firstLine = lines.taken() + 1;
    lines.skipTo(parser.parse(lines.bytes(), lines.from(), lines.to()), records.count);
    total += records.count;
    if (total > recordCount) throw damaged(file, lineCount + recordCount + 1, `the header promises ${recordCount} records, and here is one more`);
    if (parser.stopped) {
      const text = (await lines.takeText()) ?? '';
      throw damaged(file, lines.taken(), explainRecord(text, header, parser.previousNs));
    }
    for (let i = 0; i < records.count; i++) if (records.op[i] <= RecordOp.FirstTouchRead) firstTouches++;
    return records;
  }

  function end(): null {
    if (total !== recordCount) throw damaged(file, lines.taken(), `the file ends after ${total} records; the header promises ${recordCount}`);
    if (distinctPages !== null && firstTouches !== distinctPages) {
      throw damaged(file, lines.taken(), `${firstTouches} pages were touched first; the header promises distinct_gfns ${distinctPages}`);
    }
    return null;
  }

  return {
    header,
    async read() {
      try {
        return await read();
      } catch (error) {
        source.close();
        throw error;
      }
    },
    close: () => source.close(),
  };
}

/** Complete lines of a byte stream, wherever its chunks are cut. */
interface Lines {
  /** Makes at least one complete line available in `bytes` [from, to); false at the end of the file. */
  fill(): Promise<boolean>;
  bytes(): Uint8Array;
  from(): number;
  to(): number;
  /** Goes on at `offset`, `count` lines further. */
  skipTo(offset: number, count: number): void;
  /** The next line without its end, as text; null at the end of the file. */
  takeText(): Promise<string | null>;
  /** Lines taken so far. */
  taken(): number;
}

function createLines(file: string, source: ByteSource): Lines {
  let bytes: Uint8Array = new Uint8Array(0);
  let at = 0;
  let end = 0; // of the last complete line
  let lineCount = 0;
  let ended = false;

  async function nextChunk(): Promise<Uint8Array | null> {
    try {
      return await source.next();
    } catch (error) {
      if (!isZlibError(error)) throw error;
      throw damaged(file, lineCount + 1, `the gzip data cannot be read on after here: ${error.message}`);
    }
  }

  async function fill(): Promise<boolean> {
    while (at === end) {
      if (ended) return false;
      const chunk = await nextChunk();
      const rest = bytes.subarray(at);
      if (chunk === null) {
        ended = true;
        // The last line may lack its end.
        bytes = rest.length === 0 ? rest : joined(rest, Uint8Array.of(NEWLINE));
      } else {
        bytes = rest.length === 0 ? chunk : joined(rest, chunk);
      }
      at = 0;
      end = bytes.lastIndexOf(NEWLINE) + 1;
      if (end === 0 && bytes.length > LINE_BYTES_MAX) throw damaged(file, lineCount + 1, `the line has more than ${LINE_BYTES_MAX} bytes`);
    }
    return true;
  }

  return {
    fill,
    bytes: () => bytes,
    from: () => at,
    to: () => end,
    skipTo(offset, count) {
      at = offset;
      lineCount += count;
    },
    async takeText() {
      if (!(await fill())) return null;
      const lineEnd = bytes.indexOf(NEWLINE, at);
      const text = new TextDecoder().decode(bytes.subarray(at, lineEnd));
      at = lineEnd + 1;
      lineCount++;
      return text;
    },
    taken: () => lineCount,
  };
}

function joined(head: Uint8Array, tail: Uint8Array): Uint8Array {
  const all = new Uint8Array(head.length + tail.length);
  all.set(head);
  all.set(tail, head.length);
  return all;
}
