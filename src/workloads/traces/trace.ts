/** Recorded guests by name or path. */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError, nearestNames } from '../../model/userError.ts';
import { createBatch, type Workload } from '../workload.ts';
import { openReaders, openRecording, type RecordingFiles } from './recording.ts';

/** The traces of this package, in the order of traces/README.md. */
const NAMES = ['boot-512m', 'arm64-boot-512m', 'file-1g', 'file-1g-noinit', 'file-1g-swiotlb'] as const;
const EXTENSIONS = ['.csv.gz', '.csv'] as const;

/** Names of the traces that come with the package. Any file of the format can be opened by its path. */
export function traceNames(): readonly string[] {
  return NAMES;
}

/**
 * A recorded guest. Reads the header alone, its DMA partner's included; accesses are read when the workload is opened.
 * @throws UserError where there is no such trace, or its header is damaged
 */
export async function openTrace(nameOrPath: string): Promise<Workload> {
  const files = filesOf(nameOrPath);
  const { touches, dma } = await openReaders(files);
  touches.close();
  dma?.close();
  const { pageCount, vcpuCount, architecture, guestWorkload, initialState } = touches.header;
  return {
    name: nameOf(files.touches),
    summary: `Recorded ${architecture} guest with ${vcpuCount} vCPUs${initialState === null ? '' : ', its conversions'}${dma === null ? '' : ' and its DMA'}: ${guestWorkload}.`,
    memoryPages: pageCount,
    ...(initialState === null ? {} : { hasRequests: true }),
    open: (options) => openRecording(files, options),
  };
}

/**
 * Reads a trace from end to end and keeps nothing, so that damage is told before work begins.
 * @throws UserError with file, line and reason
 */
export async function checkTrace(nameOrPath: string): Promise<void> {
  const { actors, close } = await openRecording(filesOf(nameOrPath), { conversion: 'explicit', dma: 'pool', io: 'direct', pace: 'closed' });
  const batch = createBatch();
  for (const actor of actors) while ((await actor.fill(batch)) > 0);
  close?.();
}

function filesOf(nameOrPath: string): RecordingFiles {
  const isName = NAMES.some((name) => name === nameOrPath);
  const touches = isName ? join(packageFolder(), 'traces', `${nameOrPath}.csv.gz`) : nameOrPath;
  if (!isName && !existsSync(touches) && !/[/\\.]/.test(nameOrPath)) throw unknownTrace(nameOrPath);
  return { touches, dma: partnerOf(touches) };
}

/** `NAME-dma` beside `NAME`, compressed or not. */
function partnerOf(file: string): string | null {
  const stem = join(dirname(file), nameOf(file));
  return EXTENSIONS.map((extension) => `${stem}-dma${extension}`).find((path) => existsSync(path)) ?? null;
}

function nameOf(file: string): string {
  const name = basename(file);
  const extension = EXTENSIONS.find((extension) => name.endsWith(extension)) ?? '';
  return name.slice(0, name.length - extension.length);
}

/** The same from the sources and from the compiled files, which lie one folder deeper. */
function packageFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && folder !== dirname(folder)) folder = dirname(folder);
  return folder;
}

function unknownTrace(name: string): UserError {
  const near = nearestNames(name, NAMES);
  return new UserError({
    what: `unknown trace "${name}"`,
    why: near.length > 0 ? `the nearest known are ${near.join(', ')}` : `known are ${NAMES.join(', ')}`,
    fix: 'pick one of them, or give the path of a .csv or .csv.gz file',
  });
}
