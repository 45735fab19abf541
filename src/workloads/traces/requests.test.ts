import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../model/userError.ts';
import { complaintOf, dmaTrace, linesOf, play, readerOf, requestTrace, touchTrace } from '../../../test/support/traceFiles.ts';
import { sharedBeforeFirstRequest } from './requests.ts';

const BY_FIRST_REQUEST = { initial_state: 'by-first-request' };
const NOTHING = { vcpu0: [], vcpu1: [], driver: [], vmm: [] };

describe('a trace with the requests of its guest', () => {
  const records = ['0,vcpu0,to-shared,8,1', '50,vcpu1,first-touch-read,7,1', '120,vcpu1,to-private,0,64', '120,host,release,7,1'];
  test('gives its records as they stand there, a request of any number of pages', async () => {
    expect(await linesOf(await readerOf(requestTrace(records)))).toEqual(records);
  });
  test('needs no phase, and says how its pages start', async () => {
    expect((await readerOf(requestTrace([]))).header).toMatchObject({ initialState: 'private', userspaceNs: null });
    expect((await readerOf(requestTrace([], BY_FIRST_REQUEST))).header.initialState).toBe('by-first-request');
    expect((await readerOf(touchTrace([]))).header.initialState).toBe(null);
  });

  const cases: readonly (readonly [record: string, why: string])[] = [
    ['60,host,to-shared,8,1', 'to-shared is what the guest asks for, so its actor has to be a vCPU'],
    ['60,vcpu2,to-shared,8,1', 'unknown actor "vcpu2"; known are host, vcpu0, vcpu1'],
    ['60,vcpu0,to-private,8,0', 'npages is 0'],
    ['60,vcpu0,to-private,60,5', 'gfn 64 is outside RAM, whose last page is 63'],
    ['60,vcpu0,to-private,8', 'it has 4 fields; a record has 5: t_ns,actor,op,gfn,npages'],
    ['60,vcpu0,to-mars,8,1', 'unknown op "to-mars"; known are first-touch-write, first-touch-read, again-touch-write, again-touch-read, release, to-shared, to-private'],
    ['60,vcpu0,dma-map,8,1', 'unknown op "dma-map"; known are first-touch-write, first-touch-read, again-touch-write, again-touch-read, release, to-shared, to-private'],
    ['60,vcpu0,first-touch-write,8,2', 'a touch is of 1 page; npages is 2'],
  ];
  test.each(cases)('is damaged by %j', async (record, why) => {
    expect(await complaintOf(async () => linesOf(await readerOf(requestTrace([records[0], record]))))).toEqual({ what: 'small.csv, line 13: the trace is damaged', why });
  });
  test('is damaged where its header does not say how pages start, or says it in other words', async () => {
    expect(await complaintOf(async () => linesOf(await readerOf(touchTrace([records[0]]))))).toEqual({
      what: 'small.csv, line 12: the trace is damaged',
      why: 'it has a to-shared, and the header does not tell how pages start: `initial_state` is missing',
    });
    expect(await complaintOf(() => readerOf(requestTrace([], { initial_state: 'shared' })))).toEqual({
      what: 'small.csv, line 10: the trace is damaged',
      why: 'initial_state is "shared"; known are private and by-first-request',
    });
  });
  test('has a header that ends as any other where one of its keys is missing', async () => {
    expect((await complaintOf(() => readerOf(requestTrace([], { vcpus: null })))).why).toBe('the header ends without the key vcpus');
  });
});

describe('any damage to a trace with requests', () => {
  test('of one byte of a record is read past or told, with a reason of its own', async () => {
    const text = requestTrace(['0,vcpu0,to-shared,8,1', '50,vcpu1,first-touch-read,7,1', '120,vcpu1,to-private,0,64'], { initial_state: 'by-first-request' });
    const bytes = new TextEncoder().encode(text);
    const reasons = new Set<string>();
    for (let at = text.indexOf('0,vcpu0'); at < bytes.length; at++) {
      for (const to of [0, 10, 13, 35, 44, 45, 48, 57, 65, 97, 255]) {
        const end = await endOf(() => play({ touches: bytes.with(at, to) }));
        if (end !== 'fine') reasons.add(end);
      }
    }
    expect([...reasons].filter((why) => why.includes('cannot be read as a record'))).toEqual([]);
    expect(reasons.size).toBeGreaterThan(60);
  });

  /** `fine`, or what the user was told; any other error is thrown on. */
  async function endOf(work: () => Promise<unknown>): Promise<string> {
    try {
      await work();
      return 'fine';
    } catch (error) {
      if (error instanceof UserError) return error.why;
      throw error;
    }
  }
});

describe('requests that were recorded', () => {
  const touches = requestTrace(['5,vcpu0,to-shared,8,4', '10,vcpu1,to-private,40,8', '20,vcpu0,first-touch-write,30,1', '30,vcpu0,to-private,9,2', '40,vcpu0,to-private,9,2']);
  test('are made again by their vCPUs, one for each record, for the same pages, with accesses between them', async () => {
    const { streams, notes } = await play({ touches });
    expect(streams).toEqual({ ...NOTHING, vcpu0: ['ToShared 8+4', 'GuestWrite 30', 'ToPrivate 9+2', 'ToPrivate 9+2'], vcpu1: ['ToPrivate 40+8'] });
    expect(notes).toEqual(['as today: explicit conversion, the requests that were recorded', 'recorded: 4 requests of the guest']);
  });
  test('keep their times under --pace recorded', async () => {
    const { streams } = await play({ touches }, { pace: 'recorded' });
    expect(streams).toEqual({ ...NOTHING, vcpu0: ['ToShared 8+4 @5', 'GuestWrite 30 @20', 'ToPrivate 9+2 @30', 'ToPrivate 9+2 @40'], vcpu1: ['ToPrivate 40+8 @10'] });
  });
  test('are the same in a lazy run, which starts with everything shared', async () => {
    const lazy = await play({ touches: requestTrace(['5,vcpu0,to-private,8,4'], BY_FIRST_REQUEST) }, { conversion: 'lazy' });
    expect(lazy.streams.vcpu0).toEqual(['ToPrivate 8+4']);
    expect(lazy.shared).toBe(undefined);
    expect(lazy.notes).toEqual(["lazy donation: pages become private at the guest's touch", 'recorded: 1 requests of the guest']);
  });
  test('of one page by two vCPUs have no order at a closed pace, and a note says so', async () => {
    const crossed = requestTrace(['5,vcpu0,to-shared,8,4', '10,vcpu1,to-private,11,4', '20,vcpu0,to-shared,8,3']);
    expect((await play({ touches: crossed })).notes).toContain("1 requests for pages of another vCPU's keep their order only under --pace recorded");
    expect((await play({ touches: crossed }, { pace: 'recorded' })).notes).toHaveLength(2);
  });
  test('contradict --dma direct, which would infer others', async () => {
    expect(await complaintOf(() => play({ touches }, { dma: 'direct' }))).toEqual({
      what: '--dma direct contradicts small.csv',
      why: 'the trace has the conversions that its guest asked for (to-shared, to-private), and direct would infer others from its DMA',
    });
  });
});

describe('the start of a recording', () => {
  const records = ['5,vcpu0,to-private,8,4', '6,vcpu0,to-shared,8,6', '7,vcpu1,to-private,12,4', '8,vcpu0,to-private,63,1'];
  test('is all private where the header says so', async () => {
    expect((await play({ touches: requestTrace(records) })).shared).toBe(undefined);
  });
  test('by the first request: shared are the pages that the guest first asks to take back', async () => {
    const { shared, notes } = await play({ touches: requestTrace(records, BY_FIRST_REQUEST) });
    expect(shared).toEqual([[8, 4], [14, 2], [63, 1]]);
    expect(notes).toContain('7 pages start shared, since the first request for them is to-private');
  });
  test('tells damage of a later record before anything is replayed', async () => {
    const damagedLater = requestTrace([...records, '9,vcpu0,to-shared,64,1'], BY_FIRST_REQUEST);
    expect((await complaintOf(() => play({ touches: damagedLater }))).what).toBe('small.csv, line 16: the trace is damaged');
  });
});

describe('the host beside recorded requests', () => {
  test('touches what the guest has shared, behind its request, and nothing is inferred', async () => {
    const touches = requestTrace(['5,vcpu0,to-private,20,1', '6,vcpu0,to-shared,8,2', '7,host,first-touch-write,9,1', '8,host,first-touch-read,21,1'], BY_FIRST_REQUEST);
    expect(await complaintOf(() => play({ touches }))).toEqual({ what: 'small.csv, line 15: the trace is damaged', why: 'the host touches gfn 21, which is private from the start' });
    const { streams } = await play({ touches: requestTrace(['6,vcpu0,to-shared,8,2', '7,host,first-touch-write,9,1']) });
    expect(streams).toEqual({ ...NOTHING, vcpu0: ['ToShared 8+2', 'HostWrite 9'] });
  });
  test('may touch what started shared until the guest takes it back', async () => {
    const touches = (tNs: number) => requestTrace(['10,vcpu0,to-private,8,2', `${tNs},host,first-touch-write,9,1`].sort((a, b) => parseInt(a, 10) - parseInt(b, 10)), BY_FIRST_REQUEST);
    expect((await play({ touches: touches(9) })).streams.driver).toEqual(['HostWrite 9']);
    expect(await complaintOf(() => play({ touches: touches(11) }))).toEqual({ what: 'small.csv, line 13: the trace is damaged', why: 'the host touches gfn 9, which is private since line 12' });
  });
  test('has a launch image where the header names the phase', async () => {
    const touches = requestTrace(['5,host,first-touch-write,3,1', '150,vcpu0,to-shared,8,2'], { phase: '100 userspace' });
    const { launch, streams } = await play({ touches }, { pace: 'recorded' });
    expect(launch).toEqual([[3, 1]]);
    expect(streams.vcpu0).toEqual(['ToShared 8+2 @145']);
  });
});

describe('DMA beside recorded requests', () => {
  const map = (tNs: number, op: string) => `${tNs},dma,${op},32,2,0,8192,d,to-device,8,2`;
  const dma = dmaTrace([map(110, 'dma-map'), map(130, 'dma-unmap'), '140,dma,coherent-alloc,2,1,0,16,d,bidirectional,,']);
  test('pins the pages of its records behind the request that shared them, and converts nothing', async () => {
    const touches = requestTrace(['110,vcpu1,to-shared,32,2', '135,vcpu1,to-private,32,2']);
    const { streams, notes } = await play({ touches, dma }, { pace: 'recorded' });
    expect(streams).toEqual({ ...NOTHING, vcpu1: ['ToShared 32+2 @110', 'PinShort 32+2 slot 0 @110', 'Unpin slot 0 @130', 'ToPrivate 32+2 @135'] });
    expect(notes).toEqual(['as today: explicit conversion, the requests that were recorded', 'recorded: 2 requests of the guest']);
    expect((await play({ touches, dma }, { io: 'buffered' })).streams.vcpu1).toEqual(['ToShared 32+2', 'Copy 32+2', 'ToPrivate 32+2']);
  });
  test('is the driver\'s where the pages were shared before the recording', async () => {
    const touches = requestTrace(['135,vcpu1,to-private,32,2'], BY_FIRST_REQUEST);
    expect((await play({ touches, dma })).streams).toEqual({ ...NOTHING, vcpu1: ['ToPrivate 32+2'], driver: ['PinShort 32+2 slot 0', 'Unpin slot 0'] });
  });
  test('that gets a page which is private contradicts them, and both lines are told', async () => {
    const touches = requestTrace(['100,vcpu1,to-shared,32,2', '105,vcpu1,to-private,33,1']);
    expect(await complaintOf(() => play({ touches, dma }))).toEqual({
      what: 'small-dma.csv, line 13: the trace is damaged',
      why: 'a device gets gfn 33, which is private since line 13 of small.csv',
    });
  });
});

describe('any recording of requests', () => {
  interface Asked {
    readonly waitNs: number;
    readonly vcpu: number;
    readonly toShared: boolean;
    readonly page: number;
    readonly count: number;
  }
  const history: fc.Arbitrary<readonly Asked[]> = fc.array(
    fc.record({ waitNs: fc.nat({ max: 1000 }), vcpu: fc.nat({ max: 1 }), toShared: fc.boolean(), page: fc.nat({ max: 63 }), count: fc.integer({ min: 1, max: 64 }) }),
    { maxLength: 60 },
  );
  /** Each request with its time and with a range that stays in RAM. */
  function timed(asked: readonly Asked[]) {
    let tNs = 0;
    return asked.map(({ waitNs, page, count, ...rest }) => ({ ...rest, tNs: (tNs += waitNs), page, count: Math.min(count, 64 - page) }));
  }
  const linesFor = (requests: ReturnType<typeof timed>) => requests.map(({ tNs, vcpu, toShared, page, count }) => `${tNs},vcpu${vcpu},${toShared ? 'to-shared' : 'to-private'},${page},${count}`);

  test('is replayed as a naive reading has it, at both paces', async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.constantFrom('recorded' as const, 'closed' as const), fc.constantFrom('explicit' as const, 'lazy' as const), async (asked, pace, conversion) => {
        const requests = timed(asked);
        const { streams } = await play({ touches: requestTrace(linesFor(requests), BY_FIRST_REQUEST) }, { pace, conversion });
        const naive = (wanted: number) =>
          requests
            .filter(({ vcpu }) => vcpu === wanted)
            .map(({ toShared, page, count, tNs }) => `${toShared ? 'ToShared' : 'ToPrivate'} ${page}+${count}${pace === 'recorded' && tNs > 0 ? ` @${tNs}` : ''}`);
        expect(streams).toEqual({ ...NOTHING, vcpu0: naive(0), vcpu1: naive(1) });
      }),
    );
  });
  test('starts with the pages shared whose first request is to-private', async () => {
    await fc.assert(
      fc.asyncProperty(history, async (asked) => {
        const requests = timed(asked);
        const first = (page: number) => requests.find((request) => request.page <= page && page < request.page + request.count);
        const shared = Array.from({ length: 64 }, (_, page) => page).filter((page) => first(page)?.toShared === false);
        const extents = await sharedBeforeFirstRequest(await readerOf(requestTrace(linesFor(requests), BY_FIRST_REQUEST)));
        expect(extents.flatMap(([page, count]) => Array.from({ length: count }, (_, i) => page + i))).toEqual(shared);
        // Maximal: no two of them meet.
        expect(extents.slice(1).filter(([page], i) => page <= extents[i][0] + extents[i][1])).toEqual([]);
      }),
    );
  });
});
