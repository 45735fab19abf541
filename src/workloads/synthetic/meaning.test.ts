/** What each pattern promises in its header, checked on its streams. */
import { describe, expect, test } from 'vitest';
import { SMALL_GUEST, formFaults, interpret, kindCounts, openStreams } from '../../../test/tools/streams.ts';
import type { PlainAccess } from '../../../test/tools/streams.ts';
import { workloads } from '../index.ts';
import { Access } from '../workload.ts';
import type { WorkloadOptions } from '../workload.ts';
import { standardMix } from './standardMix.ts';

/** The default guest: 1 GiB, two vCPUs, 100 000 accesses. */
const GUEST: Partial<WorkloadOptions> = { pageCount: 262_144, accessCount: 100_000 };

async function streamsOf(name: string, options: Partial<WorkloadOptions> = {}) {
  const workload = workloads.find((each) => each.name === name);
  if (workload === undefined) throw new Error(`no workload ${name}`);
  return openStreams(workload, { ...GUEST, ...options });
}

const isGuestAccess = ({ kind }: PlainAccess): boolean => kind <= Access.GuestWrite;
const ofKind = (stream: readonly PlainAccess[], kind: number): readonly PlainAccess[] => stream.filter((access) => access.kind === kind);
const pagesOf = (accesses: readonly PlainAccess[]): number => accesses.reduce((sum, { count }) => sum + count, 0);
function pinsHeldMost(stream: readonly PlainAccess[]): number {
  let held = 0;
  let most = 0;
  for (const { kind } of stream) {
    if (kind === Access.PinShort) most = Math.max(most, ++held);
    if (kind === Access.Unpin) held--;
  }
  return most;
}
const view = (stream: readonly PlainAccess[]) => interpret(stream, { ...SMALL_GUEST, ...GUEST });

describe('sequential', () => {
  test('writes its whole span in order first, then shares the first 64 pages of each region and takes them back', async () => {
    const { streams: [stream] } = await streamsOf('sequential');
    const sweepEnd = stream.findIndex((access) => !isGuestAccess(access));
    expect(stream.slice(0, sweepEnd).every(({ kind, page }, place) => kind === Access.GuestWrite && page === place)).toBe(true);
    const span = Math.floor((50_000 * 512) / (512 + 6)) - 6; // each region costs 512 touches and 6 accesses for its range
    const requests = stream.slice(sweepEnd).filter(({ kind }) => kind === Access.ToShared || kind === Access.ToPrivate);
    expect(sweepEnd).toBe(span);
    expect(requests).toHaveLength(2 * Math.ceil(span / 512));
    expect(requests.every(({ page, count }) => page % 512 === 0 && count === Math.min(64, span - page))).toBe(true);
    expect(view(stream).leftShared.size).toBe(0);
  });
});

describe('the steady guests', () => {
  test.each(['uniform', 'zipf', 'hot-set'])('%s: 86 %% guest, 8 %% host, 4 %% I/O, 2 %% requests, each within 0.2 %%', async (name) => {
    const counts = kindCounts((await streamsOf(name)).streams.flat());
    const perCent = (...kinds: readonly string[]) => kinds.reduce((sum, kind) => sum + (counts[kind] ?? 0), 0) / 1000;
    expect(Math.abs(perCent('GuestRead', 'GuestWrite') - 86)).toBeLessThan(0.2);
    expect(Math.abs(perCent('HostRead', 'HostWrite') - 8)).toBeLessThan(0.2);
    expect(Math.abs(perCent('Io') - 4)).toBeLessThan(0.2);
    expect(Math.abs(perCent('ToShared', 'ToPrivate') - 2)).toBeLessThan(0.2);
    expect(Math.abs(counts.GuestWrite / (counts.GuestRead + counts.GuestWrite) - 1 / 4)).toBeLessThan(0.01);
  });
  test('zipf: half of the guest accesses go to 512 of 262 144 pages, which lie in one region; uniform: 0.2 %', async () => {
    const shareOfBusiest = async (name: string): Promise<number> => {
      const touches = (await streamsOf(name)).streams.flat().filter(isGuestAccess);
      const byRegion = new Uint32Array(512);
      for (const { page } of touches) byRegion[page >> 9]++;
      return Math.max(...byRegion) / touches.length;
    };
    // H(512) / H(262144) = 6.8165 / 13.0538
    expect(Math.abs((await shareOfBusiest('zipf')) - 0.5222)).toBeLessThan(0.01);
    expect(await shareOfBusiest('uniform')).toBeLessThan(0.004);
  });
  test('hot-set: seven of eight accesses are in a window of 8192 pages, another one in each eighth of the run', async () => {
    const { streams: [stream] } = await streamsOf('hot-set');
    const eighth = stream.length / 8;
    const hottest = Array.from({ length: 8 }, (_, phase) => {
      const touches = stream.slice(phase * eighth, (phase + 1) * eighth - 64).filter(isGuestAccess);
      const median = touches.map(({ page }) => page).sort((a, b) => a - b)[touches.length >> 1];
      return { median, share: touches.filter(({ page }) => Math.abs(page - median) < 8192).length / touches.length };
    });
    expect(hottest.every(({ share }) => share > 0.85)).toBe(true);
    expect(new Set(hottest.map(({ median }) => median >> 12)).size).toBeGreaterThanOrEqual(7);
  });
});

describe('strided', () => {
  test('shares one page of every region, at the same place, before it takes the first one back', async () => {
    const { streams } = await streamsOf('strided');
    const shared: number[] = [];
    for (const stream of streams) {
      const firstBack = stream.findIndex(({ kind }) => kind === Access.ToPrivate);
      shared.push(...view(stream.slice(0, firstBack)).leftShared);
    }
    expect(new Set(shared.map((page) => page >> 9)).size).toBe(512);
    expect(new Set(shared.map((page) => page & 511)).size).toBe(1);
    expect(shared).toHaveLength(512);
  });
});

describe('bounce-ring', () => {
  test('shares the pool once, a range for each vCPU, and converts nothing else', async () => {
    const { streams } = await streamsOf('bounce-ring');
    expect(streams.map((stream) => ofKind(stream, Access.ToShared).map(({ page, count }) => [page, count]))).toEqual([[[0, 8192]], [[8192, 8192]]]);
    expect(streams.flatMap((stream) => ofKind(stream, Access.ToPrivate))).toEqual([]);
  });
  test('has the recorded sizes: median one page, ninetieth percentile 32 pages, and goes round its area', async () => {
    const { streams: [stream] } = await streamsOf('bounce-ring');
    const pages = ofKind(stream, Access.Io).map(({ count }) => count).sort((a, b) => a - b);
    expect([pages[pages.length >> 1], pages[Math.ceil(pages.length * 0.9) - 1]]).toEqual([1, 32]);
    const starts = ofKind(stream, Access.Io).map(({ page }) => page);
    const rounds = starts.filter((page, place) => place > 0 && page < starts[place - 1]).length;
    // 8191 pages of the area hold some 1230 transfers of 6.4 pages and the half page that alignment costs each.
    expect(rounds).toBe(Math.floor(starts.length / 1230));
  });
  test('without a pool: each transfer shares its buffer, pins it, lets go and takes it back', async () => {
    const { streams } = await streamsOf('bounce-ring', { dma: 'direct' });
    for (const stream of streams) {
      const [shares, pins, unpins, returns] = [Access.ToShared, Access.PinShort, Access.Unpin, Access.ToPrivate].map((kind) => ofKind(stream, kind));
      const ranges = (accesses: readonly PlainAccess[]) => accesses.map(({ page, count }) => `${page}+${count}`);
      expect(pins.length).toBeGreaterThan(3000);
      expect(ranges(shares)).toEqual(ranges(pins));
      expect(ranges(unpins)).toEqual(ranges(pins));
      expect(ranges(returns)).toEqual(ranges(pins));
      expect(view(stream).leftHeld.size + view(stream).leftShared.size).toBe(0);
    }
  });
});

describe('balloon', () => {
  test('fills a region in order before it punches it, and fills it again after', async () => {
    const { streams: [stream] } = await streamsOf('balloon');
    const touched = new Uint8Array(262_144);
    let refills = 0;
    const punched = new Set<number>();
    for (const { kind, page, count } of stream) {
      if (kind === Access.GuestWrite) {
        if (punched.delete(page)) refills++;
        touched[page] = 1;
      }
      if (kind !== Access.Punch) continue;
      for (let at = page; at < page + count; at++) {
        expect(touched[at]).toBe(1);
        punched.add(at);
        touched[at] = 0;
      }
    }
    const holes = ofKind(stream, Access.Punch).map(({ count }) => count);
    expect(new Set(holes)).toEqual(new Set([64, 512]));
    expect(refills).toBeGreaterThan(10_000);
  });
  test('punches some holes where the buffer is still shared, and takes it back while it is empty', async () => {
    const { streams: [stream] } = await streamsOf('balloon');
    const whileEmpty = stream.filter(({ kind, page }, place) => {
      const before = stream[place - 1];
      return kind === Access.ToPrivate && before?.kind === Access.Punch && before.page === page;
    });
    expect(whileEmpty.length).toBeGreaterThan(5);
  });
});

describe('kexec', () => {
  test('touches all, shares all, takes all back at other cuts, and touches all again', async () => {
    const { streams: [stream] } = await streamsOf('kexec');
    const span = 22_500; // 45 % of 50 000 accesses
    const shares = ofKind(stream, Access.ToShared);
    const returns = ofKind(stream, Access.ToPrivate);
    // 50 000 accesses are two rounds: the second touch of everything is followed by requests again.
    expect([pagesOf(shares), pagesOf(returns)]).toEqual([2 * span, 2 * span]);
    expect(shares.map(({ page }) => page)).not.toEqual(returns.map(({ page }) => page));
    expect(stream.slice(0, span).every(({ kind, page }, place) => kind === Access.GuestWrite && page === place)).toBe(true);
    const again = stream.findIndex((access, place) => place > span && isGuestAccess(access));
    expect(pagesOf(stream.slice(0, again).filter(({ kind }) => kind === Access.ToPrivate))).toBe(span);
    expect(stream.slice(again, again + span).every(({ kind, page }, place) => kind === Access.GuestWrite && page === place)).toBe(true);
  });
  test('has ranges beyond 512 pages, whole regions, and ranges across borders', async () => {
    const ranges = (await streamsOf('kexec')).streams.flat().filter(({ kind }) => kind === Access.ToShared || kind === Access.ToPrivate);
    expect(ranges.some(({ count }) => count > 512)).toBe(true);
    expect(ranges.some(({ page, count }) => (page + count) % 512 === 0)).toBe(true);
    expect(ranges.some(({ page, count }) => page % 512 !== 0 && page >> 9 !== (page + count - 1) >> 9)).toBe(true);
    expect(Math.max(...ranges.map(({ count }) => count))).toBeLessThanOrEqual(1024);
  });
});

describe('ping-pong', () => {
  test('converts one page on even vCPUs and four at once on odd ones, a quarter of all accesses', async () => {
    const { streams } = await streamsOf('ping-pong');
    for (const [vcpu, stream] of streams.entries()) {
      const requests = stream.filter(({ kind }) => kind === Access.ToShared || kind === Access.ToPrivate);
      expect(requests).toHaveLength(12_500);
      expect(new Set(requests.map(({ count }) => count))).toEqual(new Set([vcpu === 0 ? 1 : 4]));
      expect(requests.every(({ kind }, place) => kind === (place % 2 === 0 ? Access.ToShared : Access.ToPrivate))).toBe(true);
    }
  });
});

describe('sparse-sharing', () => {
  test('has at most one shared page in a region, and most regions have one', async () => {
    const { streams: [stream] } = await streamsOf('sparse-sharing');
    const shared = [...view(stream).leftShared];
    expect(new Set(shared.map((page) => page >> 9)).size).toBe(shared.length);
    expect(shared.length).toBeGreaterThan(180); // of the 256 regions of a vCPU
  });
});

describe('dma-storm', () => {
  test('asks for half of its buffers right after an I/O began on them, and holds pages for 20 to 200 us', async () => {
    const stream = (await streamsOf('dma-storm')).streams.flat();
    const returns = stream.flatMap(({ kind, page }, place) => (kind === Access.ToPrivate ? [stream[place - 1].kind === Access.Io && stream[place - 1].page === page] : []));
    expect(Math.abs(returns.filter(Boolean).length / returns.length - 1 / 2)).toBeLessThan(0.05);
    const holds = ofKind(stream, Access.Io).map(({ holdNs }) => holdNs);
    expect([Math.min(...holds), Math.max(...holds)]).toEqual([20_000, 200_000]);
  });
});

describe('fixed-buffers', () => {
  test('ends with every slot empty and every page taken back', async () => {
    // Whatever the length: one life of all four lanes takes some 1000 accesses of a vCPU.
    for (let accessCount = 0; accessCount <= 1200; accessCount++) {
      const { streams: [stream] } = await streamsOf('fixed-buffers', { accessCount, vcpus: 1 });
      expect([accessCount, view(stream).leftHeld.size, view(stream).leftShared.size]).toEqual([accessCount, 0, 0]);
    }
  });
  test('asks for a page of each buffer while it is pinned, uses the device after that, and asks again after the unpin', async () => {
    const { streams } = await streamsOf('fixed-buffers');
    const lives = streams.flatMap((stream) => {
      const stories = new Map<number, string[]>();
      const ended: string[] = [];
      const held = new Map<number, { page: number; count: number }>();
      for (const { kind, page, count, slot } of stream) {
        if (kind === Access.PinLong || kind === Access.Splice) {
          held.set(slot, { page, count });
          stories.set(slot, [kind === Access.Splice ? 'splice' : 'pin']);
        } else if (kind === Access.DeviceAccess) stories.get(slot)?.push('device');
        else if (kind === Access.Unpin) stories.get(slot)?.push('unpin');
        else if (kind === Access.ToPrivate || kind === Access.Unmap) {
          for (const [holder, buffer] of held) {
            if (page >= buffer.page + buffer.count || page + count <= buffer.page) continue;
            const story = stories.get(holder) ?? [];
            story.push(kind === Access.Unmap ? 'unmap' : count >= buffer.count ? 'ask all' : 'ask one');
            if (story.includes('unpin')) {
              ended.push(story.join(' '));
              held.delete(holder);
            }
          }
        }
      }
      return ended;
    });
    expect(Object.fromEntries([...new Set(lives)].sort().map((life) => [life, lives.filter((each) => each === life).length]))).toMatchInlineSnapshot(`
      {
        "pin device ask one device unpin ask all": 180,
        "pin device unmap ask one device unpin ask all": 186,
        "splice device ask one device unpin ask all": 60,
        "splice device unmap ask one device unpin ask all": 62,
      }
    `);
  });
});

describe('many-mappings', () => {
  test('has a back end in each process, at least two, and all of them touch converting pages through all their mappings', async () => {
    for (const [processes, expected] of [[1, [0, 1]], [3, [0, 1, 2]]] as const) {
      const { opened, streams } = await streamsOf('many-mappings', { processes, windowsPerProcess: 4 });
      const backEnds = opened.actors.flatMap((actor, index) => (actor.role === 'vmm' ? [{ process: actor.process, stream: streams[index] }] : []));
      expect(backEnds.map(({ process }) => process)).toEqual(expected);
      for (const { stream } of backEnds) {
        const touched = new Set(stream.filter(({ kind, page }) => kind <= Access.HostWrite && page < 16).map(({ page, window }) => `${page} ${window}`));
        expect(touched.size).toBe(16 * 4);
        expect(ofKind(stream, Access.Fork).length).toBeGreaterThan(20);
      }
    }
  });
});

describe('misbehaving-vmm', () => {
  test('touches, pins and splices pages that nobody asked to share, and maps what the guest wants private', async () => {
    const { opened, streams } = await streamsOf('misbehaving-vmm');
    const byName = new Map(opened.actors.map(({ name }, index) => [name, streams[index]]));
    expect([...byName.keys()]).toEqual(['vcpu0', 'vcpu1', 'toucher', 'pinner', 'mapper']);
    expect(kindCounts(byName.get('toucher') ?? [])).toMatchInlineSnapshot(`
      {
        "HostRead": 5544,
        "HostWrite": 5567,
      }
    `);
    expect(kindCounts(byName.get('pinner') ?? [])).toMatchInlineSnapshot(`
      {
        "DeviceAccess": 1170,
        "Io": 2808,
        "PinLong": 1210,
        "PinShort": 1147,
        "Splice": 1213,
        "Unpin": 3563,
      }
    `);
    expect(kindCounts(byName.get('mapper') ?? [])).toMatchInlineSnapshot(`
      {
        "HostRead": 2778,
        "HostWrite": 2778,
        "Map": 2778,
        "Unmap": 2778,
      }
    `);
    // Half of its accesses go to the 128 pages that convert, the others anywhere.
    const toucher = byName.get('toucher') ?? [];
    expect(Math.abs(toucher.filter(({ page }) => page < 128).length / toucher.length - 0.5)).toBeLessThan(0.01);
  });
  test('pins nothing beyond the end of the file, however near it comes', async () => {
    const options = { pageCount: 2048, accessCount: 300_000 };
    const { opened, streams } = await streamsOf('misbehaving-vmm', options);
    const pinner = streams[opened.actors.findIndex(({ name }) => name === 'pinner')];
    expect(formFaults(pinner, opened, { ...SMALL_GUEST, ...options })).toEqual([]);
    expect(pinner.filter(({ page, count }) => count > 1 && page + count === 2048).length).toBeGreaterThan(0);
  });
  test('asks for a page beyond the end of the file once in about 1024 accesses of the first vCPU', async () => {
    const { streams } = await streamsOf('misbehaving-vmm');
    const beyond = streams.map((stream) => stream.filter(({ page }) => page >= 262_144).length);
    expect(beyond).toEqual([32, 0, 0, 0, 0]);
    expect(streams[0].filter(({ page }) => page >= 262_144).every(({ kind }) => kind === Access.ToShared)).toBe(true);
  });
});

describe('standard-mix', () => {
  test('is 90 % guest, 6 % host, 2 % pins and unpins, 2 % requests, for each of four vCPUs', async () => {
    const { opened, streams } = await openStreams(standardMix, { ...GUEST, vcpus: 4, accessCount: 1_000_000 });
    expect(opened.slots).toBe(32);
    for (const stream of streams) {
      expect(formFaults(stream, opened, { ...SMALL_GUEST, ...GUEST })).toEqual([]);
      expect(pinsHeldMost(stream)).toBe(8);
      const share = (test: (kind: number) => boolean) => (100 * stream.filter(({ kind }) => test(kind)).length) / stream.length;
      expect(Math.abs(share((kind) => kind <= Access.GuestWrite) - 90)).toBeLessThan(0.3);
      expect(Math.abs(share((kind) => kind === Access.HostRead || kind === Access.HostWrite) - 6)).toBeLessThan(0.2);
      expect(Math.abs(share((kind) => kind === Access.PinShort || kind === Access.Unpin) - 2)).toBeLessThan(0.15);
      expect(Math.abs(share((kind) => kind === Access.ToShared || kind === Access.ToPrivate) - 2)).toBeLessThan(0.15);
    }
  });
});

describe('buffered I/O', () => {
  test.each(['uniform', 'bounce-ring', 'dma-storm', 'misbehaving-vmm'])('%s copies in place of each short I/O', async (name) => {
    const [direct, buffered] = await Promise.all((['direct', 'buffered'] as const).map((io) => streamsOf(name, { io })));
    const counts = kindCounts(buffered.streams.flat());
    expect(counts.Io).toBeUndefined();
    expect(counts.Copy).toBe(kindCounts(direct.streams.flat()).Io);
  });
});
