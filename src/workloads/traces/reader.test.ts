import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../model/userError.ts';
import { complaintOf, dmaTrace, linesOf, play, readerOf, touchTrace, type HeaderChanges } from '../../../test/support/traceFiles.ts';

const TOUCHES = ['0,host,first-touch-write,0,1', '50,vcpu0,first-touch-read,7,1', '120,vcpu1,first-touch-write,63,1', '120,host,release,7,1', '130,vcpu0,again-touch-write,7,1'];
const TRANSFERS = [
  '200,dma,coherent-alloc,2,2,0,6726,0000:00:01.0,bidirectional,,',
  '210,dma,dma-map,32,2,2048,4096,0000:00:01.0,to-device,8,1',
  '220,dma,dma-unmap,32,2,2048,4096,0000:00:01.0,to-device,8,1',
  '230,dma,coherent-free,2,2,0,6726,0000:00:01.0,bidirectional,,',
];

const readTouches = (records: readonly string[], changes?: HeaderChanges) => async () => linesOf(await readerOf(touchTrace(records, changes)));
const readTransfers = (records: readonly string[], changes?: HeaderChanges) => async () => linesOf(await readerOf(dmaTrace(records, changes)));

describe('a trace that is whole', () => {
  test('gives its records as they stand there', async () => {
    expect(await linesOf(await readerOf(touchTrace(TOUCHES)))).toEqual(TOUCHES);
    expect(await linesOf(await readerOf(dmaTrace(TRANSFERS)))).toEqual([
      '200,dma,coherent-alloc,2,2,0,bidirectional,0,0',
      '210,dma,dma-map,32,2,2048,to-device,8,1',
      '220,dma,dma-unmap,32,2,2048,to-device,8,1',
      '230,dma,coherent-free,2,2,0,bidirectional,0,0',
    ]);
  });
  test('has a header with the guest in it', async () => {
    const { header } = await readerOf(dmaTrace(TRANSFERS));
    expect(header).toMatchObject({ kind: 'dma', lineCount: 12, pageCount: 64, vcpuCount: 2, recordCount: 4, userspaceNs: 100, pool: { page: 32, pageCount: 16 } });
  });
  test('may lack the end of its last line, and may have no records', async () => {
    expect(await linesOf(await readerOf(touchTrace(TOUCHES).trimEnd()))).toEqual(TOUCHES);
    expect(await linesOf(await readerOf(touchTrace([])))).toEqual([]);
  });
  test('is read in runs of at most 4096 records, each with its line', async () => {
    const records = Array.from({ length: 5000 }, (_, i) => `${i},vcpu0,first-touch-write,${i},1`);
    const reader = await readerOf(touchTrace(records, { guest_ram_bytes: String(5000 * 4096) }));
    const runs: string[] = [];
    for (let run = await reader.read(); run !== null; run = await reader.read()) runs.push(`${run.count} from line ${run.firstLine}`);
    expect(runs).toEqual(['4096 from line 12', '904 from line 4108']);
  });
});

describe('a damaged record is told with its line and the reason', () => {
  const [first] = TOUCHES;
  const cases: readonly (readonly [record: string, why: string])[] = [
    ['60,vcpu0,first-touch-write,8', 'it has 4 fields; a record has 5: t_ns,actor,op,gfn,npages'],
    ['60,vcpu0,first-touch-write,8,1,', 'it has 6 fields; a record has 5: t_ns,actor,op,gfn,npages'],
    ['', 'it has 1 fields; a record has 5: t_ns,actor,op,gfn,npages'],
    ['6x,vcpu0,first-touch-write,8,1', 't_ns is "6x", which is not a number'],
    [',vcpu0,first-touch-write,8,1', 't_ns is "", which is not a number'],
    ['60,vcpu0,first-touch-write,8,1\r', String.raw`npages is "1\r", which is not a number`],
    ['60,vcpu0,first-touch-write,0x8,1', 'gfn is "0x8", which is not a number'],
    ['-60,vcpu0,first-touch-write,8,1', 't_ns is negative: -60'],
    ['60,vcpu0,first-touch-write,-8,1', 'gfn is negative: -8'],
    ['1000000000000000,vcpu0,first-touch-write,8,1', 't_ns is too large: "1000000000000000" has more than 15 digits'],
    ['60,vcpu2,first-touch-write,8,1', 'unknown actor "vcpu2"; known are host, vcpu0, vcpu1'],
    ['60,vcpu01,first-touch-write,8,1', 'unknown actor "vcpu01"; known are host, vcpu0, vcpu1'],
    ['60,dma,first-touch-write,8,1', 'unknown actor "dma"; known are host, vcpu0, vcpu1'],
    ['60,vcpu0,first-touch,8,1', 'unknown op "first-touch"; known are first-touch-write, first-touch-read, again-touch-write, again-touch-read, release'],
    ['60,vcpu0,dma-map,8,1', 'unknown op "dma-map"; known are first-touch-write, first-touch-read, again-touch-write, again-touch-read, release'],
    ['60,vcpu0,first-touch-write,64,1', 'gfn 64 is outside RAM, whose last page is 63'],
    ['60,host,release,62,3', 'gfn 64 is outside RAM, whose last page is 63'],
    ['60,vcpu0,first-touch-write,8,0', 'npages is 0'],
    ['60,vcpu0,first-touch-write,8,2', 'a touch is of 1 page; npages is 2'],
  ];
  test.each(cases)('%j', async (record, why) => {
    expect(await complaintOf(readTouches([first, record]))).toEqual({ what: 'small.csv, line 13: the trace is damaged', why });
  });
  test('time that goes back, with both times', async () => {
    expect(await complaintOf(readTouches(['60,host,first-touch-write,0,1', '59,host,first-touch-write,1,1']))).toEqual({
      what: 'small.csv, line 13: the trace is damaged',
      why: 'time goes back: 59 ns after 60 ns',
    });
  });
  test('time that goes back from one run of records to the next', async () => {
    const records = Array.from({ length: 4097 }, (_, i) => `${i === 4096 ? 5 : i},vcpu0,first-touch-write,${i},1`);
    expect(await complaintOf(readTouches(records, { guest_ram_bytes: String(5000 * 4096) }))).toEqual({
      what: 'small.csv, line 4108: the trace is damaged',
      why: 'time goes back: 5 ns after 4095 ns',
    });
  });
});

describe('a damaged DMA record is told with its line and the reason', () => {
  const cases: readonly (readonly [record: string, why: string])[] = [
    ['1,dma,dma-map,32,1,0,16,d,to-device,8', 'it has 10 fields; a record has 11: t_ns,actor,op,gfn,npages,offset,bytes,device,direction,orig_gfn,orig_npages'],
    ['1,host,dma-map,32,1,0,16,d,to-device,8,1', 'unknown actor "host"; known are dma'],
    ['1,dma,release,32,1,0,16,d,to-device,8,1', 'unknown op "release"; known are dma-map, dma-unmap, coherent-alloc, coherent-free'],
    ['1,dma,dma-map,63,2,0,8192,d,to-device,8,1', 'gfn 64 is outside RAM, whose last page is 63'],
    ['1,dma,dma-map,32,1,4096,16,d,to-device,8,1', 'offset 4096 is not in the first page'],
    ['1,dma,dma-map,32,1,0,0,d,to-device,8,1', 'bytes is 0'],
    ['1,dma,dma-map,32,1,0,x,d,to-device,8,1', 'bytes is "x", which is not a number'],
    ['1,dma,dma-map,32,1,2048,4096,d,to-device,8,1', 'npages is 1, but 4096 bytes from offset 2048 on take 2'],
    ['1,dma,dma-map,32,1,0,16,,to-device,8,1', 'device is empty'],
    ['1,dma,dma-map,32,1,0,16,d,sideways,8,1', 'unknown direction "sideways"; known are to-device, from-device, bidirectional'],
    ['1,dma,dma-map,32,1,0,16,d,to-device,,', 'orig_gfn is "", which is not a number'],
    ['1,dma,dma-map,32,1,0,16,d,to-device,63,2', 'orig_gfn 64 is outside RAM, whose last page is 63'],
    ['1,dma,coherent-alloc,2,1,0,16,d,bidirectional,8,1', 'coherent-alloc has an original buffer; coherent memory has none'],
  ];
  test.each(cases)('%j', async (record, why) => {
    expect(await complaintOf(readTransfers([record]))).toEqual({ what: 'small.csv, line 13: the trace is damaged', why });
  });
});

describe('a damaged header is told with its line and the reason', () => {
  const cases: readonly (readonly [changes: HeaderChanges, line: number, why: string])[] = [
    [{ format: 'gmem-trace-csv 2' }, 2, 'its format is "gmem-trace-csv 2"; this reader knows "gmem-trace-csv 1"'],
    [{ format: null }, 10, 'the header ends without the key format'],
    [{ columns: null }, 10, 'the header ends without the key columns'],
    [{ trace: null }, 10, 'the header ends without the key trace'],
    [{ guest_ram_bytes: null }, 10, 'the header ends without the key guest_ram_bytes'],
    [{ page_size: null }, 10, 'the header ends without the key page_size'],
    [{ vcpus: null }, 10, 'the header ends without the key vcpus'],
    [{ records: null }, 10, 'the header ends without the key records'],
    [{ phase: null }, 10, 'the header ends without `# phase: T userspace`, which tells the launch image from what the host touched later'],
    [{ page_size: '16384' }, 4, 'page_size is "16384"; only pages of 4096 bytes are known'],
    [{ guest_ram_bytes: '1GiB' }, 3, 'guest_ram_bytes is "1GiB"; it has to be a whole number'],
    [{ guest_ram_bytes: '4097' }, 3, 'guest_ram_bytes is "4097"; it has to be a multiple of 4096 above 0'],
    [{ guest_ram_bytes: '0' }, 3, 'guest_ram_bytes is "0"; it has to be a multiple of 4096 above 0'],
    [{ guest_ram_bytes: '8796093022208' }, 3, 'guest_ram_bytes is "8796093022208"; it is more than 1073741824 pages (4 TiB)'],
    [{ vcpus: '0' }, 6, 'vcpus is "0"; it has to be from 1 to 126'],
    [{ vcpus: '127' }, 6, 'vcpus is "127"; it has to be from 1 to 126'],
    [{ phase: 'soon userspace' }, 8, 'phase is "soon userspace"; it has to be a time in ns and a name'],
    [{ columns: 't_ns,op,gfn' }, 11, 'the columns are not those that line 9 of the header promises'],
    [{ distinct_gfns: '6' }, 11, 'distinct_gfns is "6"; there are 5 records and 64 pages'],
    [{ records: '4' }, 16, 'the header promises 4 records, and here is one more'],
    [{ records: '6' }, 16, 'the file ends after 5 records; the header promises 6'],
    [{ distinct_gfns: '4' }, 17, '3 pages were touched first; the header promises distinct_gfns 4'],
  ];
  test.each(cases)('%j', async (changes, line, why) => {
    expect(await complaintOf(readTouches(TOUCHES, changes))).toEqual({ what: `small.csv, line ${line}: the trace is damaged`, why });
  });
  test('a key that is told twice', async () => {
    const text = touchTrace(TOUCHES).replace('# page_size: 4096', '# page_size: 4096\n# page_size: 4096');
    expect((await complaintOf(() => readerOf(text))).why).toBe('the header tells page_size twice, first in line 4');
  });
  test('a line that is none', async () => {
    expect((await complaintOf(() => readerOf(touchTrace(TOUCHES).replace('# vcpus: 2', '#vcpus 2')))).why).toBe('"#vcpus 2" is no header line; those are `# key: value`');
  });
  test('phases out of order, and userspace twice', async () => {
    const withPhase = (phase: string) => touchTrace(TOUCHES).replace('# phase: 100 userspace', `# phase: 100 userspace\n# phase: ${phase}`);
    expect((await complaintOf(() => readerOf(withPhase('99 modules')))).why).toBe('the phase modules begins at 99 ns, before the one above it (100 ns)');
    expect((await complaintOf(() => readerOf(withPhase('101 userspace')))).why).toBe('the phase userspace begins twice');
  });
  test('unknown columns', async () => {
    const text = touchTrace([]).replaceAll('t_ns,actor,op,gfn,npages', 'time,page');
    expect((await complaintOf(() => readerOf(text))).why).toBe(
      'unknown columns "time,page"; known are "t_ns,actor,op,gfn,npages" and "t_ns,actor,op,gfn,npages,offset,bytes,device,direction,orig_gfn,orig_npages"',
    );
  });
  test('a pool outside RAM', async () => {
    expect((await complaintOf(readTransfers(TRANSFERS, { swiotlb_pool: 'gfn 60 npages 5' }))).why).toBe('swiotlb_pool is "gfn 60 npages 5"; the RAM of the guest ends at gfn 64');
    expect((await complaintOf(readTransfers(TRANSFERS, { swiotlb_pool: '60' }))).why).toBe('swiotlb_pool is "60"; it has to be `gfn G npages N`');
  });
  test('a file that ends inside its header, and an empty one', async () => {
    const cut = touchTrace(TOUCHES).split('\n').slice(0, 3).join('\n');
    expect(await complaintOf(() => readerOf(cut))).toEqual({ what: 'small.csv, line 4: the trace is damaged', why: 'the file ends before the line that names the columns' });
    expect((await complaintOf(() => readerOf(''))).what).toBe('small.csv, line 1: the trace is damaged');
  });
  test('a file without line ends is not read into memory', async () => {
    expect((await complaintOf(() => readerOf('x'.repeat(70_000)))).why).toBe('the line has more than 65536 bytes');
  });
});

/** A valid history of a guest with a balloon, as lines of a trace. */
const touchHistory = fc
  .array(fc.record({ waitNs: fc.nat({ max: 1_000_000_000_000 }), actor: fc.constantFrom('host', 'vcpu0', 'vcpu1'), page: fc.nat({ max: 63 }), reads: fc.boolean() }), { maxLength: 40 })
  .map((events) => {
    const states = new Map<number, 'touched' | 'released'>();
    let tNs = 0;
    return events.map(({ waitNs, actor, page, reads }) => {
      tNs += waitNs;
      const state = states.get(page);
      states.set(page, state === 'touched' ? 'released' : 'touched');
      if (state === 'touched') return `${tNs},host,release,${page},1`;
      return `${tNs},${actor},${state === undefined ? 'first' : 'again'}-touch-${reads ? 'read' : 'write'},${page},1`;
    });
  });

describe('any valid trace', () => {
  test('comes back as it was written, wherever its bytes are cut', async () => {
    await fc.assert(
      fc.asyncProperty(touchHistory, fc.array(fc.nat({ max: 2000 })), async (records, cuts) => {
        expect(await linesOf(await readerOf(touchTrace(records), 'small.csv', cuts))).toEqual(records);
      }),
    );
  });
  test('comes back as it was written when each byte comes alone', async () => {
    const text = touchTrace(TOUCHES);
    expect(await linesOf(await readerOf(text, 'small.csv', Array.from({ length: text.length }, (_, offset) => offset)))).toEqual(TOUCHES);
  });
});

describe('any damage', () => {
  const bytes = { touches: new TextEncoder().encode(touchTrace(TOUCHES)), dma: new TextEncoder().encode(dmaTrace(TRANSFERS)) };
  const damage = fc.record({ file: fc.constantFrom('touches' as const, 'dma' as const), at: fc.nat(), to: fc.nat({ max: 255 }) });

  function changed(edits: readonly { readonly file: 'touches' | 'dma'; readonly at: number; readonly to: number }[]) {
    const copy = { touches: bytes.touches.slice(), dma: bytes.dma.slice() };
    for (const { file, at, to } of edits) copy[file][at % copy[file].length] = to;
    return copy;
  }

  test('is read past or told to the user, and never ends in another error', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 4 }), fc.constantFrom('pool' as const, 'direct' as const), async (edits, dma) => {
        expect(['fine', 'told']).toContain(await endOf(() => play(changed(edits), { dma })));
      }),
      { numRuns: 2000 },
    );
  });
  test('that cuts a file off is told, unless it takes nothing but the end of the last line', async () => {
    const { touches, dma } = bytes;
    const isFine = async (cut: Parameters<typeof play>[0]) => (await endOf(() => play(cut))) === 'fine';
    for (let length = 0; length < touches.length; length++) expect([length, await isFine({ touches: touches.slice(0, length), dma })]).toEqual([length, length === touches.length - 1]);
    for (let length = 0; length < dma.length; length++) expect([length, await isFine({ touches, dma: dma.slice(0, length) })]).toEqual([length, length === dma.length - 1]);
  });
  test('of one byte of a record always has a reason of its own', async () => {
    const from = touchTrace(TOUCHES).indexOf('0,host');
    const reasons = new Set<string>();
    for (let at = from; at < bytes.touches.length; at++) {
      for (const to of [0, 10, 13, 32, 35, 44, 45, 48, 57, 65, 97, 255]) {
        const end = await endOf(() => play(changed([{ file: 'touches', at, to }])), ({ why }) => why);
        if (end !== 'fine') reasons.add(end);
      }
    }
    expect([...reasons].filter((why) => why.includes('cannot be read as a record'))).toEqual([]);
    expect(reasons.size).toBeGreaterThan(100);
  });
});

/** `fine`, or what the user was told; any other error is shown as it is. */
async function endOf(work: () => Promise<unknown>, told: (error: UserError) => string = () => 'told'): Promise<string> {
  try {
    await work();
    return 'fine';
  } catch (error) {
    return error instanceof UserError ? told(error) : String(error);
  }
}
