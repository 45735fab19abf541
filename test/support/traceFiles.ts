/** Small traces written by tests, and what comes out of them. */
import type { ByteSource } from '../../src/workloads/traces/bytes.ts';
import { DIRECTION_NAMES, DMA, HOST, OP_NAMES, RecordOp, VCPU_0 } from '../../src/workloads/traces/format.ts';
import { readTrace, type TraceReader } from '../../src/workloads/traces/reader.ts';
import { startRecording } from '../../src/workloads/traces/recording.ts';
import { sharedBeforeFirstRequest } from '../../src/workloads/traces/requests.ts';
import { Access, createBatch, type OpenedWorkload, type WorkloadOptions } from '../../src/workloads/workload.ts';
import { UserError } from '../../src/model/userError.ts';

/** Replaces header lines by key; null leaves the key out. */
export type HeaderChanges = Readonly<Record<string, string | null>>;

const TOUCH_HEADER: HeaderChanges = {
  trace: 'small',
  format: 'gmem-trace-csv 1',
  guest_ram_bytes: '262144', // 64 pages
  page_size: '4096',
  guest_arch: 'x86_64',
  vcpus: '2',
  workload: 'a small test',
  phase: '100 userspace',
  columns: 't_ns,actor,op,gfn,npages',
};
const DMA_HEADER: HeaderChanges = {
  ...TOUCH_HEADER,
  trace: 'small-dma',
  swiotlb_pool: 'gfn 32 npages 16',
  columns: 't_ns,actor,op,gfn,npages,offset,bytes,device,direction,orig_gfn,orig_npages',
};

/** A first-touch trace with these records: its header has 10 lines, the line of columns follows, the first record is line 12. */
export const touchTrace = (records: readonly string[], changes: HeaderChanges = {}) => traceText(TOUCH_HEADER, records, changes);
/** A trace with the guest's requests, which says how pages start: its first record is line 12 too. */
export const requestTrace = (records: readonly string[], changes: HeaderChanges = {}) => touchTrace(records, { phase: null, initial_state: 'private', ...changes });
/** A DMA trace, with a pool of 16 pages from gfn 32 on; its first record is line 13. */
export const dmaTrace = (records: readonly string[], changes: HeaderChanges = {}) => traceText(DMA_HEADER, records, changes);

function traceText(header: HeaderChanges, records: readonly string[], changes: HeaderChanges): string {
  const keys = Object.entries({ ...header, records: String(records.length), ...changes }).filter(([, value]) => value !== null);
  const columns = header.columns ?? '';
  return `${[...keys.map(([key, value]) => `# ${key}: ${value}`), columns, ...records].join('\n')}\n`;
}

/** Bytes as a source, in chunks that end at the given offsets. */
export function sourceOf(bytes: Uint8Array, cuts: readonly number[] = []): ByteSource {
  const ends = [...new Set([...cuts.filter((cut) => cut < bytes.length), bytes.length])].sort((a, b) => a - b);
  let begin = 0;
  let next = 0;
  return {
    async next() {
      if (next === ends.length) return null;
      const chunk = bytes.slice(begin, ends[next]);
      begin = ends[next++];
      return chunk;
    },
    close() {
      next = ends.length;
    },
  };
}

export const readerOf = (text: string | Uint8Array, file = 'small.csv', cuts: readonly number[] = []): Promise<TraceReader> =>
  readTrace(file, sourceOf(typeof text === 'string' ? new TextEncoder().encode(text) : text, cuts));

/** Each record as the line that tells it; the device and the bytes of a DMA record are not kept by the reader. */
export async function linesOf(reader: TraceReader): Promise<readonly string[]> {
  const lines: string[] = [];
  for (let records = await reader.read(); records !== null; records = await reader.read()) {
    const { count, tNs, actor, op, page, pageCount, offset, direction, originalPage, originalPageCount } = records;
    for (let i = 0; i < count; i++) {
      const line = [tNs[i], actorName(actor[i]), OP_NAMES[op[i]], page[i], pageCount[i]];
      if (op[i] >= RecordOp.DmaMap) line.push(offset[i], DIRECTION_NAMES[direction[i]], originalPage[i], originalPageCount[i]);
      lines.push(line.join(','));
    }
  }
  return lines;
}

function actorName(actor: number): string {
  if (actor === HOST) return 'host';
  return actor === DMA ? 'dma' : `vcpu${actor - VCPU_0}`;
}

export const OPTIONS: WorkloadOptions = {
  pageCount: 64,
  accessCount: 0,
  seed: 1,
  vcpus: 2,
  processes: 1,
  windowsPerProcess: 1,
  conversion: 'explicit',
  dma: 'pool',
  io: 'direct',
  pace: 'closed',
};

export interface Played {
  readonly launch: OpenedWorkload['launch'];
  /** Pages that start shared, where there are any. */
  readonly shared?: OpenedWorkload['shared'];
  readonly notes: readonly string[];
  /** Accesses by actor, such as `GuestWrite 5`, `PinShort 32+2 slot 0`, `Punch 4+2 @7` (not before 7 ns). */
  readonly streams: Readonly<Record<string, readonly string[]>>;
}

/** Opens traces that stand in memory and takes everything out of them, actor by actor. */
export async function play(
  { touches, dma }: { readonly touches: string | Uint8Array; readonly dma?: string | Uint8Array },
  options: Partial<WorkloadOptions> = {},
): Promise<Played> {
  const readers = { touches: await readerOf(touches), dma: dma === undefined ? null : await readerOf(dma, 'small-dma.csv') };
  const shared = readers.touches.header.initialState === 'by-first-request' ? await sharedBeforeFirstRequest(await readerOf(touches)) : [];
  return drain(await startRecording(readers, { ...OPTIONS, ...options }, shared));
}

const KIND_NAMES = new Map<number, string>(Object.entries(Access).map(([name, kind]) => [kind, name]));

export async function drain({ actors, launch, shared, notes, close }: OpenedWorkload, batchLength = 3): Promise<Played> {
  const streams: Record<string, string[]> = {};
  const batch = createBatch(batchLength);
  for (const { name, fill } of actors) {
    const stream: string[] = [];
    for (let count = await fill(batch); count > 0; count = await fill(batch)) {
      for (let i = 0; i < count; i++) stream.push(accessText(batch, i));
    }
    streams[name] = stream;
  }
  close?.();
  return { launch, ...(shared === undefined ? {} : { shared }), notes, streams };
}

function accessText({ kind, page, count, slot, atNs }: ReturnType<typeof createBatch>, i: number): string {
  const name = KIND_NAMES.get(kind[i]) ?? `kind ${kind[i]}`;
  const range = count[i] > 1 || !/^(Guest|Host|Unpin)/.test(name) ? ` ${page[i]}+${count[i]}` : ` ${page[i]}`;
  const where = name === 'Unpin' ? '' : range;
  const buffer = name === 'Unpin' || name === 'PinShort' ? ` slot ${slot[i]}` : '';
  return `${name}${where}${buffer}${atNs[i] > 0 ? ` @${atNs[i]}` : ''}`;
}

/** What a user is told; fails where nothing was wrong, or where it was no message for users. */
export async function complaintOf(work: () => Promise<unknown>): Promise<{ readonly what: string; readonly why: string }> {
  try {
    await work();
  } catch (error) {
    if (error instanceof UserError) return { what: error.what, why: error.why };
    throw error;
  }
  throw new Error('nothing was complained about');
}
