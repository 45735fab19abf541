/**
 * Writes examples/conversions.csv: a synthetic recording of a guest's conversions, so that the format can be seen and tried without
 * a confidential machine. No guest did this; the numbers come from a seed.
 *
 *   npm run build && node dist/test/tools/exampleTrace.js
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { below, createRandom } from '../../src/workloads/random.ts';
import { ROOT } from './documents.ts';

export const EXAMPLE_TRACE = 'examples/conversions.csv';

const GUEST_PAGES = 16_384; // 64 MiB
const VCPUS = 2;
const POOL = { page: 12_288, pageCount: 1024 } as const; // 4 MiB, asked for 2 MiB at a time
const LARGEST_REQUEST = 512;
const BUFFERS = 48;
const BUFFER_PAGES_MAX = 16;
const SEED = 20_240_601;

/** The whole file: a pool that is shared at boot and stays so, then buffers that are shared in place and taken back. */
export function exampleTrace(): string {
  const random = createRandom(SEED);
  const touched = new Set<number>();
  const records: string[] = [];
  let tNs = 0;
  const add = (waitNs: number, actor: string, op: string, page: number, count: number) => {
    tNs += waitNs;
    records.push(`${tNs},${actor},${op},${page},${count}`);
  };
  const touch = (waitNs: number, actor: string, op: string, page: number) => {
    if (touched.has(page)) return;
    touched.add(page);
    add(waitNs, actor, op, page, 1);
  };
  for (let page = POOL.page; page < POOL.page + POOL.pageCount; page += LARGEST_REQUEST) add(40_000, 'vcpu0', 'to-shared', page, LARGEST_REQUEST);
  for (let buffer = 0; buffer < BUFFERS; buffer++) {
    const actor = `vcpu${below(random, VCPUS)}`;
    const count = 1 + below(random, BUFFER_PAGES_MAX);
    const page = below(random, POOL.page - BUFFER_PAGES_MAX);
    for (let at = page; at < page + count; at++) touch(700 + below(random, 600), actor, 'first-touch-write', at);
    add(20_000 + below(random, 30_000), actor, 'to-shared', page, count);
    touch(5000, 'host', 'first-touch-read', POOL.page + buffer);
    add(60_000 + below(random, 90_000), actor, 'to-private', page, count);
  }
  const header = [
    'trace: conversions',
    'format: gmem-trace-csv 1',
    `guest_ram_bytes: ${GUEST_PAGES * 4096}`,
    'page_size: 4096',
    'guest_arch: x86_64',
    `vcpus: ${VCPUS}`,
    'workload: synthetic, made by test/tools/exampleTrace.ts from a seed; no guest did this',
    'initial_state: private',
    `records: ${records.length}`,
    'columns: t_ns,actor,op,gfn,npages',
  ];
  return `${[...header.map((line) => `# ${line}`), 't_ns,actor,op,gfn,npages', ...records].join('\n')}\n`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) writeFileSync(join(ROOT, EXAMPLE_TRACE), exampleTrace());
