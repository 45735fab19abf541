import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OPTIONS, complaintOf, dmaTrace, drain, touchTrace } from '../../../test/support/traceFiles.ts';
import { checkTrace, openTrace, traceNames } from './trace.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foliobench-traces-'));
});
afterAll(async () => rm(folder, { recursive: true }));

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const TOUCHES = touchTrace(['0,vcpu0,first-touch-write,5,1', '120,vcpu1,first-touch-read,6,1']);
const TRANSFERS = dmaTrace(['110,dma,dma-map,32,1,0,16,d,to-device,8,1']);

describe('a trace by path', () => {
  test('is read from plain and from gzip files alike, whatever they are called', async () => {
    for (const path of [await file('plain.csv', TOUCHES), await file('packed.csv.gz', gzipSync(TOUCHES)), await file('packed.csv', gzipSync(TOUCHES)), await file('odd.name', TOUCHES)]) {
      const { streams } = await drain(await (await openTrace(path)).open(OPTIONS));
      expect(streams).toEqual({ vcpu0: ['GuestWrite 5'], vcpu1: ['GuestRead 6'], driver: [], vmm: [] });
    }
  });
  test('tells its name, its guest and the size of its memory before it is read', async () => {
    const { name, summary, memoryPages } = await openTrace(await file('named.csv', TOUCHES));
    expect({ name, summary, memoryPages }).toEqual({ name: 'named', summary: 'Recorded x86_64 guest with 2 vCPUs: a small test.', memoryPages: 64 });
  });
  test('can be opened again and again, and left in the middle', async () => {
    const workload = await openTrace(await file('again.csv.gz', gzipSync(TOUCHES)));
    const left = await workload.open(OPTIONS);
    left.close?.();
    const [first, second] = await Promise.all([workload.open(OPTIONS), workload.open(OPTIONS)]);
    expect(await drain(first)).toEqual(await drain(second));
  });
  test('is merged with the DMA of the same run where that lies beside it', async () => {
    const path = await file('pair.csv.gz', gzipSync(TOUCHES));
    await file('pair-dma.csv', TRANSFERS);
    const workload = await openTrace(path);
    expect(workload.summary).toBe('Recorded x86_64 guest with 2 vCPUs and its DMA: a small test.');
    expect((await drain(await workload.open(OPTIONS))).streams.driver).toEqual(['ToShared 32+16', 'PinShort 32+1 slot 0']);
  });
});

describe('a path that leads to no good trace', () => {
  test('a missing file', async () => {
    expect(await complaintOf(() => openTrace(join(folder, 'none.csv.gz')))).toEqual({ what: `there is no trace ${join(folder, 'none.csv.gz')}`, why: 'no file has that path' });
  });
  test('a folder', async () => {
    expect((await complaintOf(() => openTrace(folder))).what).toBe(`${folder} cannot be read`);
  });
  test('a file that is called .gz and is none', async () => {
    const path = await file('fake.csv.gz', TOUCHES);
    expect(await complaintOf(() => openTrace(path))).toEqual({ what: `${path} is no gzip file`, why: 'it is called .gz, and does not begin with the bytes 1f 8b' });
  });
  test('a gzip file that was cut off, in the header and in the records', async () => {
    const records = Array.from({ length: 5000 }, (_, i) => `${100 + i},vcpu0,first-touch-write,${(i * 7) % 5000},1`);
    const whole = gzipSync(touchTrace(records, { guest_ram_bytes: String(5000 * 4096) }));
    const inHeader = await file('stub.csv.gz', whole.subarray(0, 20));
    expect(await complaintOf(() => openTrace(inHeader))).toEqual({
      what: `${inHeader}, line 1: the trace is damaged`,
      why: 'the gzip data cannot be read on after here: unexpected end of file',
    });
    const inRecords = await file('cut.csv.gz', whole.subarray(0, whole.length / 2));
    await openTrace(inRecords);
    const { what, why } = await complaintOf(() => checkTrace(inRecords));
    expect(what).toMatch(/cut\.csv\.gz, line [1-4]\d{3}: the trace is damaged$/);
    expect(why).toBe('the gzip data cannot be read on after here: unexpected end of file');
  });
  test('a gzip file with a wrong byte in it', async () => {
    const bytes = gzipSync(TOUCHES);
    bytes[bytes.length - 6] ^= 1; // of the checksum
    const path = await file('bad.csv.gz', bytes);
    expect((await complaintOf(() => checkTrace(path))).why).toBe('the gzip data cannot be read on after here: incorrect data check');
  });
  test('the DMA of a guest alone', async () => {
    const path = await file('alone-dma.csv', TRANSFERS);
    expect((await complaintOf(() => openTrace(path))).what).toBe(`${path} is the DMA of a guest, and no guest by itself`);
  });
  test.each([
    [TOUCHES, 'has the columns of a first-touch trace'],
    [dmaTrace([], { guest_ram_bytes: '524288' }), 'its guest has 128 pages, and that one 64'],
    [dmaTrace([], { vcpus: '1' }), 'its guest has 1 vCPUs, and that one 2'],
    [dmaTrace([], { phase: '101 userspace' }), 'its phase userspace begins at another time'],
  ])('a partner of another run (%#)', async (partner, why) => {
    const path = await file('other.csv', TOUCHES);
    const partnerPath = await file('other-dma.csv', partner);
    const complaint = await complaintOf(() => openTrace(path));
    expect(complaint.what).toContain(partnerPath);
    expect(complaint.why).toBe(`it is the partner of ${path}, but ${why}`);
  });
});

describe('a trace by name', () => {
  test('is one that comes with the package, found from wherever we run', async () => {
    expect(traceNames()).toEqual(['boot-512m', 'arm64-boot-512m', 'file-1g', 'file-1g-noinit', 'file-1g-swiotlb']);
    expect((await openTrace('boot-512m')).memoryPages).toBe(131_072);
  });
  test('that is unknown brings up the nearest', async () => {
    expect(await complaintOf(() => openTrace('boot-512'))).toEqual({ what: 'unknown trace "boot-512"', why: 'the nearest known are boot-512m, arm64-boot-512m' });
    expect((await complaintOf(() => openTrace('windows'))).why).toBe('known are boot-512m, arm64-boot-512m, file-1g, file-1g-noinit, file-1g-swiotlb');
  });
});
