/**
 * A recorded guest as streams of accesses: one pass over the trace and its DMA partner, merged by time, taken apart by actor.
 *
 *   bytes -> records (reader.ts) -> merged by t_ns -> accesses (touches.ts, buffers.ts) -> a queue an actor -> batches
 *
 * Where the trace has the guest's own requests, its header says how pages start; if by the first request for each, the file is
 * read once before it is opened.
 *
 * Reading goes on only when an actor wants more than its queue holds. Actors: vCPUs, then `driver` (the guest's DMA
 * driver, with the VMM's work for its requests), then `vmm` (the balloon).
 */
import { UserError } from '../../model/userError.ts';
import type { Actor, Batch, OpenedWorkload, WorkloadOptions } from '../workload.ts';
import { GuestBuffers, SLOTS, SLOT_PAGES } from './buffers.ts';
import { damaged } from './damage.ts';
import type { TraceHeader } from './header.ts';
import { MergedTraces, type Source } from './merge.ts';
import { AccessQueue } from './queue.ts';
import { openTraceFile, type TraceReader } from './reader.ts';
import { GuestRequests, contradictsDirect, sharedBeforeFirstRequest, type Extents } from './requests.ts';
import { GuestTouches } from './touches.ts';

export interface RecordingFiles {
  readonly touches: string;
  /** The DMA of the same run. */
  readonly dma: string | null;
}

type Options = Pick<WorkloadOptions, 'conversion' | 'dma' | 'io' | 'pace'>;

/** Opens the files and reads up to the end of the launch. @throws UserError */
export async function openRecording(files: RecordingFiles, options: Options): Promise<OpenedWorkload> {
  const readers = await openReaders(files);
  return startRecording(readers, options, await startsShared(readers, files));
}

/** Pages that are shared when the recording begins; another reader looks for them. The readers are closed on damage. */
async function startsShared({ touches, dma }: RecordingReaders, files: RecordingFiles): Promise<Extents> {
  if (touches.header.initialState !== 'by-first-request') return [];
  try {
    return await sharedBeforeFirstRequest(await openTraceFile(files.touches));
  } catch (error) {
    touches.close();
    dma?.close();
    throw error;
  }
}

export interface RecordingReaders {
  readonly touches: TraceReader;
  readonly dma: TraceReader | null;
}

/** Both headers, checked against each other. @throws UserError */
export async function openReaders({ touches: touchFile, dma: dmaFile }: RecordingFiles): Promise<RecordingReaders> {
  const touches = await openTraceFile(touchFile);
  try {
    if (touches.header.kind === 'dma') throw isPartner(touchFile);
    if (dmaFile === null) return { touches, dma: null };
    const dma = await openTraceFile(dmaFile);
    try {
      checkPartners(touches, dma);
    } catch (error) {
      dma.close();
      throw error;
    }
    return { touches, dma };
  } catch (error) {
    touches.close();
    throw error;
  }
}

function isPartner(file: string): UserError {
  return new UserError({
    what: `${file} is the DMA of a guest, and no guest by itself`,
    why: 'its records are dma-map and dma-unmap, which go with the first touches of the same run',
    fix: 'give the path of the first-touch trace; its partner NAME-dma is found beside it',
  });
}

function checkPartners({ header: touches }: TraceReader, { header: dma }: TraceReader): void {
  const fail = (why: string) => damaged(dma.file, dma.lineCount, `it is the partner of ${touches.file}, but ${why}`);
  if (dma.kind !== 'dma') throw fail('has the columns of a first-touch trace');
  if (dma.pageCount !== touches.pageCount) throw fail(`its guest has ${dma.pageCount} pages, and that one ${touches.pageCount}`);
  if (dma.vcpuCount !== touches.vcpuCount) throw fail(`its guest has ${dma.vcpuCount} vCPUs, and that one ${touches.vcpuCount}`);
  if (dma.userspaceNs !== null && dma.userspaceNs !== touches.userspaceNs) throw fail('its phase userspace begins at another time');
}

/**
 * Streams of two files whose headers were read; the end of the launch is read here.
 * @param shared pages that are shared when the recording begins; a lazy run begins with everything shared
 * @throws UserError
 */
export async function startRecording({ touches: touchReader, dma: dmaReader }: RecordingReaders, options: Options, shared: Extents = []): Promise<OpenedWorkload> {
  const { header } = touchReader;
  const hasRequests = header.initialState !== null;
  if (hasRequests && options.dma === 'direct') throw contradictsDirect(header.file);
  const vcpus = Array.from({ length: header.vcpuCount }, () => new AccessQueue());
  const driver = new AccessQueue();
  const vmm = new AccessQueue();
  const requests = hasRequests ? new GuestRequests(header, vcpus, shared) : null;
  const buffers = dmaReader === null ? null : new GuestBuffers(dmaReader.header, options, driver, requests);
  const touches = new GuestTouches(header, options.dma, { vcpus, driver, vmm }, buffers, requests);
  // On the same tick a touch or a request comes first: a buffer is touched and shared before it is mapped.
  const sources: Source[] = [{ reader: touchReader, take: (records, i) => touches.take(records, i) }];
  if (dmaReader !== null && buffers !== null) sources.push({ reader: dmaReader, take: (records, i) => buffers.take(records, i) });
  const merged = new MergedTraces(sources);
  const notes = [hasRequests && options.conversion === 'explicit' ? AS_RECORDED : labelOf(options)];

  async function readOn(): Promise<void> {
    await merged.advance();
    if (merged.ended && notes.length === 1) notes.push(...factsOf({ header, touches, buffers, requests, shared }, options));
  }

  function actor(name: string, role: Actor['role'], queue: AccessQueue): Actor {
    const take = (batch: Batch) => queue.take(batch, options.pace === 'recorded' ? touches.launchNs : null);
    const takeLater = async (batch: Batch) => {
      while (queue.length === 0 && !merged.ended) await readOn();
      return take(batch);
    };
    return { name, role, process: 0, fill: (batch) => (queue.length > 0 || merged.ended ? take(batch) : takeLater(batch)) };
  }

  const userspaceNs = header.userspaceNs ?? 0;
  while (merged.readNs < userspaceNs && !merged.ended) await readOn();
  return {
    actors: [...vcpus.map((queue, vcpu) => actor(`vcpu${vcpu}`, 'vcpu', queue)), actor('driver', 'vcpu', driver), actor('vmm', 'vmm', vmm)],
    slots: SLOTS,
    slotPages: SLOT_PAGES,
    ioDepth: 0,
    launch: touches.launch(),
    ...(shared.length > 0 && options.conversion === 'explicit' ? { shared } : {}),
    notes,
    close: () => merged.close(),
  };
}

const AS_RECORDED = 'as today: explicit conversion, the requests that were recorded';

/** How a result of this run may be called. */
export function labelOf({ conversion, dma }: Pick<WorkloadOptions, 'conversion' | 'dma'>): string {
  if (dma === 'direct') return 'counterfactual: DMA without a bounce pool';
  return conversion === 'lazy' ? 'lazy donation: pages become private at the guest\'s touch' : 'as today: explicit conversion, DMA through a bounce pool';
}

interface Recorded {
  readonly header: TraceHeader;
  readonly touches: GuestTouches;
  readonly buffers: GuestBuffers | null;
  readonly requests: GuestRequests | null;
  readonly shared: Extents;
}

/** What a reader of the result should know; known only when all was read. */
function factsOf({ header, touches, buffers, requests, shared }: Recorded, { conversion, dma, pace }: Options): readonly string[] {
  const facts: string[] = [];
  if (requests !== null) {
    facts.push(`recorded: ${requests.requestCount} requests of the guest`);
    const startPages = shared.reduce((sum, [, count]) => sum + count, 0);
    if (startPages > 0 && conversion === 'explicit') facts.push(`${startPages} pages start shared, since the first request for them is to-private`);
    if (requests.crossedCount > 0 && pace === 'closed') facts.push(`${requests.crossedCount} requests for pages of another vCPU's keep their order only under --pace recorded`);
  }
  if (touches.inferredCount > 0) {
    const became = dma === 'pool' ? 'guest accesses (the copy out of a bounce pool)' : 'to-shared, host access, to-private';
    facts.push(`inferred: ${touches.inferredCount} host touches became ${became}`);
  }
  if (buffers !== null && dma === 'direct') facts.push('the guest touches its bounce pool as recorded, though it would have none');
  if (buffers !== null && buffers.liveTransfers > 0) facts.push(`${buffers.liveTransfers} transfers are still mapped when the recording ends`);
  if (touches.releaseCount > 0 && pace === 'closed') facts.push(`${touches.releaseCount} releases by the balloon keep their order with touches only under --pace recorded`);
  if (header.lostEvents > 0) facts.push(`the recording lost ${header.lostEvents} events`);
  return facts;
}
