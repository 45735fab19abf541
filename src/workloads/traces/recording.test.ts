import { describe, expect, test } from 'vitest';
import { OPTIONS, complaintOf, dmaTrace, play, readerOf, sourceOf, touchTrace } from '../../../test/support/traceFiles.ts';
import { createBatch } from '../workload.ts';
import { readTrace } from './reader.ts';
import { startRecording } from './recording.ts';

const NOTHING = { vcpu0: [], vcpu1: [], driver: [], vmm: [] };
const BOOT = ['0,host,first-touch-write,0,1', '10,host,first-touch-write,2,1', '20,vcpu0,first-touch-write,9,1', '30,host,first-touch-write,1,1'];

describe('first touches', () => {
  test('are accesses of the vCPU that the trace names', async () => {
    const { streams } = await play({ touches: touchTrace(['0,vcpu0,first-touch-write,5,1', '1,vcpu1,first-touch-read,6,1', '2,vcpu0,first-touch-read,4,1']) });
    expect(streams).toEqual({ ...NOTHING, vcpu0: ['GuestWrite 5', 'GuestRead 4'], vcpu1: ['GuestRead 6'] });
  });
  test('of the host before the phase userspace are the launch image, in maximal extents, and no accesses', async () => {
    const { launch, streams } = await play({ touches: touchTrace([...BOOT, '99,host,first-touch-write,8,1']) });
    expect(launch).toEqual([[0, 3], [8, 1]]);
    expect(streams).toEqual({ ...NOTHING, vcpu0: ['GuestWrite 9'] });
  });
  test('of the host from the phase userspace on are no launch image', async () => {
    const { launch, streams, notes } = await play({ touches: touchTrace([...BOOT, '100,host,first-touch-write,8,1']) });
    expect(launch).toEqual([[0, 3]]);
    expect(streams.driver).toEqual(['GuestWrite 8']);
    expect(notes).toEqual(['as today: explicit conversion, DMA through a bounce pool', 'inferred: 1 host touches became guest accesses (the copy out of a bounce pool)']);
  });
  test('of the host after launch are inferred I/O in place where there is no pool', async () => {
    const { streams, notes } = await play({ touches: touchTrace(['100,host,first-touch-write,8,1', '101,host,first-touch-read,3,1']) }, { dma: 'direct' });
    expect(streams.driver).toEqual(['ToShared 8+1', 'HostWrite 8', 'ToPrivate 8+1', 'ToShared 3+1', 'HostRead 3', 'ToPrivate 3+1']);
    expect(notes).toEqual(['counterfactual: DMA without a bounce pool', 'inferred: 2 host touches became to-shared, host access, to-private']);
  });
  test('are the same in a lazy run, which is called so', async () => {
    const touches = touchTrace([...BOOT, '100,host,first-touch-write,8,1']);
    const explicit = await play({ touches });
    const lazy = await play({ touches }, { conversion: 'lazy' });
    expect({ ...lazy, notes: lazy.notes.slice(1) }).toEqual({ ...explicit, notes: explicit.notes.slice(1) });
    expect(lazy.notes[0]).toBe("lazy donation: pages become private at the guest's touch");
    expect((await play({ touches }, { conversion: 'lazy', dma: 'direct' })).notes[0]).toBe('counterfactual: DMA without a bounce pool');
  });
  test('keep their times under --pace recorded, counted from the last page of the launch image', async () => {
    const touches = touchTrace([...BOOT, '37,vcpu0,first-touch-write,10,1', '137,vcpu1,first-touch-write,11,1']);
    expect((await play({ touches }, { pace: 'recorded' })).streams).toEqual({ ...NOTHING, vcpu0: ['GuestWrite 9', 'GuestWrite 10 @7'], vcpu1: ['GuestWrite 11 @107'] });
    expect((await play({ touches }, { pace: 'closed' })).streams.vcpu1).toEqual(['GuestWrite 11']);
  });
});

describe('a balloon', () => {
  const touches = touchTrace(['0,vcpu0,first-touch-write,4,1', '1,vcpu0,first-touch-write,5,1', '2,host,release,4,2', '3,vcpu1,again-touch-read,5,1', '4,host,release,5,1']);
  test('is holes that the VMM punches, and guest accesses again', async () => {
    const { streams, notes } = await play({ touches }, { pace: 'recorded' });
    expect(streams).toEqual({ ...NOTHING, vcpu0: ['GuestWrite 4', 'GuestWrite 5 @1'], vcpu1: ['GuestRead 5 @3'], vmm: ['Punch 4+2 @2', 'Punch 5+1 @4'] });
    expect(notes).toEqual(['as today: explicit conversion, DMA through a bounce pool']);
  });
  test('loses its order with the touches at a closed pace, and a note says so', async () => {
    expect((await play({ touches })).notes).toContain('2 releases by the balloon keep their order with touches only under --pace recorded');
  });
});

/* Pool: pages 32 to 47. Two requests of a disk: their headers and a status byte share page 33 of the pool, and 8 and 9 of the guest. */
const POOL_TOUCHES = ['10,vcpu0,first-touch-write,8,1', '20,vcpu0,first-touch-write,9,1', '30,vcpu1,first-touch-write,32,1', '40,vcpu1,first-touch-write,33,1'];
const map = (tNs: number, pool: string, bytes: number, direction: string, original: string) => `${tNs},dma,dma-map,${pool},${bytes},d,${direction},${original}`;
const unmap = (tNs: number, pool: string, bytes: number, direction: string, original: string) => map(tNs, pool, bytes, direction, original).replace('dma-map', 'dma-unmap');
const TRANSFERS = [
  map(100, '32,2,0', 6144, 'to-device', '8,2'),
  map(110, '33,1,2048', 16, 'from-device', '9,1'),
  map(120, '34,3,0', 12288, 'bidirectional', '7,3'),
  unmap(130, '32,2,0', 6144, 'to-device', '8,2'),
  unmap(140, '34,3,0', 12288, 'bidirectional', '7,3'),
  unmap(150, '33,1,2048', 16, 'from-device', '9,1'),
];
const GUEST = { touches: touchTrace(POOL_TOUCHES), dma: dmaTrace(TRANSFERS) };

describe('DMA through a pool', () => {
  test('shares the whole pool once, at its first touch, and pins pool pages from map to unmap', async () => {
    const { streams } = await play(GUEST, { pace: 'recorded' });
    expect(streams.driver).toEqual([
      'ToShared 32+16 @30',
      'PinShort 32+2 slot 0 @100',
      'PinShort 33+1 slot 1 @110',
      'PinShort 34+3 slot 2 @120',
      'Unpin slot 0 @130',
      'Unpin slot 2 @140',
      'Unpin slot 1 @150',
    ]);
    expect(streams.vcpu1).toEqual(['GuestWrite 32 @30', 'GuestWrite 33 @40']);
  });
  test('shares the pool at the first map where nobody touched it before', async () => {
    const { streams } = await play({ touches: touchTrace([]), dma: dmaTrace([TRANSFERS[0]]) }, { pace: 'recorded' });
    expect(streams.driver).toEqual(['ToShared 32+16 @100', 'PinShort 32+2 slot 0 @100']);
  });
  test('shares what lies outside the pool, or all of it where no pool is named, for as long as it is mapped', async () => {
    const { streams } = await play({ touches: touchTrace([]), dma: dmaTrace([TRANSFERS[0], TRANSFERS[3]], { swiotlb_pool: null }) });
    expect(streams.driver).toEqual(['ToShared 32+2', 'PinShort 32+2 slot 0', 'Unpin slot 0', 'ToPrivate 32+2']);
  });
  test('copies in place of pins where I/O is buffered: at the map to the device, at the unmap from it', async () => {
    const { streams } = await play(GUEST, { io: 'buffered' });
    expect(streams.driver).toEqual(['ToShared 32+16', 'Copy 32+2', 'Copy 34+3', 'Copy 34+3', 'Copy 33+1']);
  });
  test('uses the lowest free slot again', async () => {
    const again = [...TRANSFERS.slice(0, 4), map(135, '40,1,0', 16, 'to-device', '20,1')];
    expect((await play({ touches: touchTrace([]), dma: dmaTrace(again) })).streams.driver.at(-1)).toBe('PinShort 40+1 slot 0');
  });
});

describe('DMA without a pool', () => {
  test('shares the pages of a buffer that nobody else has in use, and takes back those that nobody else still has', async () => {
    const { streams, notes } = await play(GUEST, { dma: 'direct' });
    expect(streams.driver).toEqual([
      'ToShared 8+2',
      'PinShort 8+2 slot 0',
      'PinShort 9+1 slot 1',
      'ToShared 7+1', // of 7 to 9
      'PinShort 7+3 slot 2',
      'Unpin slot 0',
      'Unpin slot 2',
      'ToPrivate 7+2',
      'Unpin slot 1',
      'ToPrivate 9+1',
    ]);
    expect(notes).toEqual(['counterfactual: DMA without a bounce pool', 'the guest touches its bounce pool as recorded, though it would have none']);
  });
  test('asks for each run of pages by itself where one in the middle is in use', async () => {
    const dma = dmaTrace([
      map(1, '32,1,0', 16, 'to-device', '9,1'),
      map(2, '33,3,0', 12288, 'to-device', '8,3'),
      unmap(3, '33,3,0', 12288, 'to-device', '8,3'),
    ]);
    const { streams, notes } = await play({ touches: touchTrace([]), dma }, { dma: 'direct' });
    expect(streams.driver).toEqual(['ToShared 9+1', 'PinShort 9+1 slot 0', 'ToShared 8+1', 'ToShared 10+1', 'PinShort 8+3 slot 1', 'Unpin slot 1', 'ToPrivate 8+1', 'ToPrivate 10+1']);
    expect(notes).toContain('1 transfers are still mapped when the recording ends');
  });
  test('copies before it takes the pages back where I/O is buffered', async () => {
    const { streams } = await play({ touches: touchTrace([]), dma: dmaTrace([TRANSFERS[1], TRANSFERS[5]]) }, { dma: 'direct', io: 'buffered' });
    expect(streams.driver).toEqual(['ToShared 9+1', 'Copy 9+1', 'ToPrivate 9+1']);
  });
});

describe('coherent memory', () => {
  const records = ['1,dma,coherent-alloc,2,2,0,6726,d,bidirectional,,', '2,dma,coherent-alloc,40,1,0,16,d,bidirectional,,', '3,dma,coherent-free,40,1,0,16,d,bidirectional,,', '4,dma,coherent-free,2,2,0,6726,d,bidirectional,,'];
  test('is shared from alloc to free, except in the pool, which is shared anyway', async () => {
    expect((await play({ touches: touchTrace([]), dma: dmaTrace(records) })).streams.driver).toEqual(['ToShared 32+16', 'ToShared 2+2', 'ToPrivate 2+2']);
  });
  test('is shared by itself where there is no pool', async () => {
    expect((await play({ touches: touchTrace([]), dma: dmaTrace(records) }, { dma: 'direct' })).streams.driver).toEqual(['ToShared 2+2', 'ToShared 40+1', 'ToPrivate 40+1', 'ToPrivate 2+2']);
  });
  test('may be touched first by the host, once it is shared', async () => {
    const touches = touchTrace(['150,host,first-touch-write,2,1', '151,host,first-touch-write,5,1']);
    const { streams, notes } = await play({ touches, dma: dmaTrace([records[0]]) });
    expect(streams.driver).toEqual(['ToShared 32+16', 'ToShared 2+2', 'HostWrite 2', 'GuestWrite 5']);
    expect(notes[1]).toBe('inferred: 1 host touches became guest accesses (the copy out of a bounce pool)');
  });
});

describe('two files of one run', () => {
  test('are merged by time; on the same tick the touch comes first', async () => {
    const touches = touchTrace(['100,vcpu0,first-touch-write,1,1', '200,host,first-touch-write,8,1']);
    const dma = dmaTrace(['100,dma,coherent-alloc,1,1,0,16,d,bidirectional,,', '200,dma,coherent-alloc,8,1,0,16,d,bidirectional,,']);
    const { streams } = await play({ touches, dma });
    expect(streams.driver).toEqual(['ToShared 32+16', 'ToShared 1+1', 'GuestWrite 8', 'ToShared 8+1']); // 8 was not shared yet
  });
});

describe('a record that does not fit those before it is told with its line', () => {
  const touchCases: readonly (readonly [second: string, why: string])[] = [
    ['20,vcpu1,first-touch-read,8,1', 'gfn 8 was touched before; a page has one first touch'],
    ['20,vcpu1,again-touch-read,8,1', 'gfn 8 is touched again, but the guest never gave it back'],
    ['20,host,release,8,2', 'gfn 9 is given back, but the guest does not have it'],
  ];
  test.each(touchCases)('%j', async (second, why) => {
    const touches = touchTrace(['10,vcpu0,first-touch-write,8,1', second]);
    expect(await complaintOf(() => play({ touches }))).toEqual({ what: 'small.csv, line 13: the trace is damaged', why });
  });

  const [first] = TRANSFERS;
  const dmaCases: readonly (readonly [second: string, why: string])[] = [
    [first, 'the buffer at gfn 32 offset 0 is mapped since line 13'],
    [unmap(130, '34,3,0', 12288, 'to-device', '8,3'), 'the buffer at gfn 34 offset 0 is not mapped'],
    [unmap(130, '32,2,0', 6144, 'to-device', '9,2'), 'the unmap does not tell what the map in line 13 told'],
    [unmap(130, '32,2,0', 6144, 'from-device', '8,2'), 'the unmap does not tell what the map in line 13 told'],
    [unmap(130, '32,1,0', 16, 'to-device', '8,2'), 'the unmap does not tell what the map in line 13 told'],
    ['130,dma,coherent-free,2,2,0,6726,d,bidirectional,,', 'the coherent memory at gfn 2 offset 0 is not allocated'],
  ];
  test.each(dmaCases)('%j', async (second, why) => {
    const dma = dmaTrace([first, second]);
    expect(await complaintOf(() => play({ touches: touchTrace([]), dma }))).toEqual({ what: 'small-dma.csv, line 14: the trace is damaged', why });
  });
  test('coherent memory that is allocated twice, or freed as something else', async () => {
    const alloc = '1,dma,coherent-alloc,2,2,0,6726,d,bidirectional,,';
    const whyOf = async (second: string) => (await complaintOf(() => play({ touches: touchTrace([]), dma: dmaTrace([alloc, second]) }))).why;
    expect(await whyOf(alloc)).toBe('the coherent memory at gfn 2 offset 0 is allocated since line 13');
    expect(await whyOf('1,dma,coherent-free,2,1,0,16,d,bidirectional,,')).toBe('it frees 1 pages; line 13 allocated 2');
  });
  test('more live transfers than there are slots', async () => {
    const records = Array.from({ length: 1025 }, (_, i) => map(1, `32,1,${i}`, 1, 'to-device', '8,1'));
    expect((await complaintOf(() => play({ touches: touchTrace([]), dma: dmaTrace(records) }))).what).toBe('small-dma.csv, line 1037: more than 1024 transfers are live');
  });
  test('a transfer that no slot holds', async () => {
    const ram = { guest_ram_bytes: String(512 * 4096) };
    const of = (pages: number) => [map(1, `100,${pages},0`, pages * 4096, 'to-device', `300,${pages}`)];
    const playOf = (pages: number) => play({ touches: touchTrace([], ram), dma: dmaTrace(of(pages), ram) });
    expect((await playOf(65)).streams.driver.at(-1)).toBe('PinShort 100+65 slot 0');
    expect((await complaintOf(() => playOf(66))).what).toBe('small-dma.csv, line 13: a transfer of 66 pages; the largest has 65');
  });
});

describe('streams', () => {
  const opened = async (touches: string) => startRecording({ touches: await readerOf(touches), dma: null }, OPTIONS);

  test('put the vCPUs first, then the driver as one of them, then the VMM', async () => {
    const { actors, slots, slotPages, ioDepth } = await opened(touchTrace([]));
    expect(actors.map(({ name, role, process }) => `${name} ${role} ${process}`)).toEqual(['vcpu0 vcpu 0', 'vcpu1 vcpu 0', 'driver vcpu 0', 'vmm vmm 0']);
    expect({ slots, slotPages, ioDepth }).toEqual({ slots: 1024, slotPages: 65, ioDepth: 0 });
  });
  test('leave nothing of an earlier use in a batch', async () => {
    const batch = createBatch(4);
    for (const column of Object.values(batch)) column.fill(77);
    const [vcpu0] = (await opened(touchTrace(['5,vcpu0,first-touch-write,9,1']))).actors;
    expect(await vcpu0.fill(batch)).toBe(1);
    const { kind, page, count, slot, window, holdNs, atNs } = batch;
    expect([kind, page, count, slot, window, holdNs, atNs].map(([first]) => first)).toEqual([2, 9, 1, 0, 0, 0, 0]);
  });
  test('answer at once from what was read, and later where the file has to be read on', async () => {
    const records = Array.from({ length: 9000 }, (_, i) => `${100 + i},vcpu${i < 8000 ? 0 : 1},first-touch-write,${i},1`);
    const { actors } = await opened(touchTrace(records, { guest_ram_bytes: String(9000 * 4096) }));
    const batch = createBatch(8192);
    expect(actors[0].fill(batch)).toBe(4096);
    expect(actors[1].fill(batch)).toBeInstanceOf(Promise);
  });
  test('can all wait for the file at one time', async () => {
    const records = Array.from({ length: 9000 }, (_, i) => `${100 + i},vcpu${i < 8000 ? 0 : 1},first-touch-write,${i},1`);
    const { actors } = await opened(touchTrace(records, { guest_ram_bytes: String(9000 * 4096) }));
    const taken = await Promise.all(actors.map(({ fill }) => fill(createBatch(16_384))));
    expect(taken).toEqual([4096, 192, 0, 0]); // vcpu0 at once; the second run of records ends with the first of vcpu1
  });
  test('add what is known at the end to the notes once, however many waited for it', async () => {
    const { actors, notes } = await opened(touchTrace(['5000,host,first-touch-write,9,1'], { phase: '0 userspace' }));
    expect(notes).toHaveLength(1);
    await Promise.all(actors.map(({ fill }) => fill(createBatch())));
    expect(notes.slice(1)).toEqual(['inferred: 1 host touches became guest accesses (the copy out of a bounce pool)']);
  });
  test('close both files on damage in one, and when they are left', async () => {
    const closed: string[] = [];
    const openBoth = async (touches: string) => {
      closed.length = 0;
      const readers = await Promise.all(
        [['touches', touches], ['dma', dmaTrace([])]].map(([name, text]) => readTrace(name, { ...sourceOf(new TextEncoder().encode(text)), close: () => closed.push(name) })),
      );
      return startRecording({ touches: readers[0], dma: readers[1] }, OPTIONS);
    };
    await complaintOf(() => openBoth(touchTrace(['1,vcpu0,first-touch-write,1,1', '2,vcpu0,first-touch-write,1,1'])));
    expect(closed).toEqual(['touches', 'dma']);
    (await openBoth(touchTrace([]))).close?.();
    expect(closed).toEqual(['touches', 'dma']);
  });
  test('all tell of damage, whoever finds it', async () => {
    const { actors } = await opened(touchTrace(['100,vcpu0,first-touch-write,1,1', '101,vcpu0,first-touch-write,1,1'], { phase: '0 userspace' }));
    for (const { fill } of actors) expect((await complaintOf(async () => fill(createBatch()))).why).toBe('gfn 1 was touched before; a page has one first touch');
  });
});
