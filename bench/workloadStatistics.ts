/**
 * Prints what every synthetic pattern and every recorded guest does to memory, one row each, as a Markdown table: the
 * comparison of METHODOLOGY. Not a measurement: the figures are the same on every machine.
 *
 *   npm run build && node dist/bench/workloadStatistics.js
 */
import { openTrace, traceNames, workloads } from '../src/workloads/index.ts';
import { statisticsOf } from '../src/workloads/statistics.ts';
import type { StreamStatistics } from '../src/workloads/statistics.ts';
import type { Workload, WorkloadOptions } from '../src/workloads/workload.ts';

/** The default guest of `compare`; a trace brings its own size and length. */
const OPTIONS: WorkloadOptions = {
  pageCount: 262_144,
  accessCount: 100_000,
  seed: 1,
  vcpus: 2,
  processes: 1,
  windowsPerProcess: 1,
  conversion: 'explicit',
  dma: 'pool',
  io: 'direct',
  pace: 'recorded',
};

interface Row {
  readonly name: string;
  readonly found: StreamStatistics;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const orNone = (count: number, text: string): string => (count === 0 ? '-' : text);

const COLUMNS: readonly { readonly title: string; readonly cell: (row: Row) => string }[] = [
  { title: 'workload', cell: ({ name }) => name },
  { title: 'accesses', cell: ({ found }) => String(found.accesses) },
  { title: 'first touches', cell: ({ found }) => String(found.firstTouches) },
  { title: 'next page', cell: ({ found }) => percent(found.nextPage) },
  { title: '±1, same actor', cell: ({ found }) => percent(found.adjacentOwn) },
  { title: 'region of last 8', cell: ({ found }) => percent(found.recentRegion) },
  { title: '2 MiB regions touched / full', cell: ({ found }) => `${found.regionsTouched} / ${found.regionsFull} of ${found.regions}` },
  { title: 'to-shared', cell: ({ found: { toShared } }) => orNone(toShared.requests, `${toShared.requests} (${toShared.pages} pages)`) },
  { title: 'to-private', cell: ({ found: { toPrivate } }) => orNone(toPrivate.requests, `${toPrivate.requests} (${toPrivate.pages} pages)`) },
  { title: 'I/O', cell: ({ found: { io } }) => orNone(io.requests, String(io.requests)) },
  { title: 'pages p50 / p90 / max', cell: ({ found: { io } }) => orNone(io.requests, `${io.pagesP50} / ${io.pagesP90} / ${io.pagesMax}`) },
  { title: 'in a page of another', cell: ({ found: { io } }) => orNone(io.requests, percent(io.overlapping)) },
  { title: 'used before', cell: ({ found: { io } }) => orNone(io.requests, percent(io.reused)) },
];

async function rowOf(name: string, workload: Workload, options: Partial<WorkloadOptions> = {}): Promise<Row> {
  const pageCount = workload.memoryPages ?? OPTIONS.pageCount;
  const opened = await workload.open({ ...OPTIONS, pageCount, ...options });
  try {
    return { name, found: await statisticsOf(opened, { pageCount }) };
  } finally {
    opened.close?.();
  }
}

const rows: Row[] = [];
for (const workload of workloads) rows.push(await rowOf(workload.name, workload));
for (const name of traceNames()) {
  rows.push(await rowOf(name, await openTrace(name)));
  if (name.endsWith('swiotlb')) rows.push(await rowOf(`${name}, --dma direct`, await openTrace(name), { dma: 'direct' }));
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
process.stdout.write(line(COLUMNS.map(({ title }) => title)));
process.stdout.write(line(COLUMNS.map((_, column) => (column === 0 ? '---' : '---:'))));
for (const row of rows) process.stdout.write(line(COLUMNS.map(({ cell }) => cell(row))));
