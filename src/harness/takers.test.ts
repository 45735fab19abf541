import { describe, expect, test } from 'vitest';
import { fakeCatalogue } from '../../test/tools/fakeCatalogue.ts';
import type { StreamWorkload } from '../workloads/streams.ts';
import { catalogue } from './builtIn.ts';
import { planCells } from './experiment.ts';
import { createExperiment, type Request } from './request.ts';
import { createSweep, parseVary } from './sweep.ts';

const create = (request: Request) => createExperiment({ policies: ['null'], memoryBytes: 16 << 20, accesses: 500, ...request }, catalogue);
const workloadsOf = async (request: Request) => [...new Set((await create(request)).runs.map(({ workload }) => workload))];
const failure = async (asked: Promise<unknown>) => {
  const { what, why, fix } = (await asked.catch((error: unknown) => error)) as { readonly what: string; readonly why: string; readonly fix: string };
  return { what, why, fix };
};

describe('a parameter that only some workloads take', () => {
  test.each([
    ['ioHoldUs', 50, '--io-hold-us 50'],
    ['convertShare', 0.5, '--convert-share 0.5'],
  ] as const)('%s is an input of a cell only where it was asked for', async (name, value, words) => {
    const [plain] = planCells(await create({ workloads: ['zipf'] }));
    const other = await create({ workloads: ['zipf'], [name]: value });
    const [there] = planCells(other);
    expect(Object.keys(plain.cell.params)).not.toContain(name);
    expect(there.cell.params).toEqual({ ...plain.cell.params, [name]: value });
    expect(there.key).not.toBe(plain.key);
    expect(other.command).toBe(`foliobench compare --policy null --workload zipf --memory 16MiB ${words} --accesses 500`);
  });

  test('leaves a default run those that take it', async () => {
    const pinning = ['uniform', 'zipf', 'hot-set', 'bounce-ring', 'dma-storm', 'misbehaving-vmm'];
    expect(await workloadsOf({ ioHoldUs: 50 })).toEqual(pinning);
    expect(await workloadsOf({ ioHoldUs: 50, dma: 'direct' })).toEqual(pinning.filter((name) => name !== 'bounce-ring'));
    expect(await workloadsOf({ convertShare: 4 })).toEqual(['uniform', 'zipf', 'hot-set']);
    expect(await workloadsOf({ convertShare: 4, io: 'buffered' })).toEqual(['uniform', 'zipf', 'hot-set']);
    expect(await workloadsOf({ convertShare: 4, ioHoldUs: 50 })).toEqual(['uniform', 'zipf', 'hot-set']);
  });

  test('is refused by the others, which name those that take it', async () => {
    expect(await failure(create({ convertShare: 4, workloads: ['zipf', 'kexec'] }))).toEqual({
      what: '--convert-share does not go with kexec', why: 'kexec does not draw conversions as a share of its accesses', fix: 'name those that do with --workload: uniform, zipf, hot-set',
    });
    expect(await failure(create({ ioHoldUs: 50, workloads: ['boot-512m'] }))).toEqual({
      what: '--io-hold-us does not go with boot-512m', why: 'boot-512m has no short I/O that pins pages', fix: 'name those that do with --workload: uniform, zipf, hot-set, bounce-ring, dma-storm, misbehaving-vmm',
    });
    expect(await failure(create({ ioHoldUs: 50, workloads: ['bounce-ring'], dma: 'direct' }))).toEqual({
      what: '--io-hold-us does not go with bounce-ring', why: 'bounce-ring has no short I/O that pins pages with --dma direct', fix: 'name those that do with --workload: uniform, zipf, hot-set, dma-storm, misbehaving-vmm',
    });
  });

  test('is refused where nobody takes it', async () => {
    const buffered = { what: '--io-hold-us does not go with --io buffered', why: 'buffered I/O copies, and holds no page', fix: 'leave --io buffered away' };
    expect(await failure(create({ ioHoldUs: 50, io: 'buffered' }))).toEqual(buffered);
    expect(await failure(create({ ioHoldUs: 50, io: 'buffered', workloads: ['zipf'] }))).toEqual(buffered);
    const none = { ...fakeCatalogue, workloads: (fakeCatalogue.workloads as readonly StreamWorkload[]).filter(({ drawsConversions }) => drawsConversions !== true) };
    expect((await failure(createExperiment({ convertShare: 4 }, none))).fix).toBe('leave --convert-share away');
  });

  test.each([0, 1.5, 30_000_001])('%d us of I/O are refused', async (ioHoldUs) => expect((await failure(create({ ioHoldUs }))).what).toBe(`--io-hold-us ${ioHoldUs} is out of range`));
  test.each([0, 0.05, 88.1, 100])('%d per cent of conversions are refused', async (convertShare) => {
    expect((await failure(create({ convertShare, workloads: ['zipf'] }))).what).toBe(`--convert-share ${convertShare} is out of range`);
  });

  test('is swept over the workloads that take it', async () => {
    const { command, runs } = await createSweep({ policies: ['null'], memoryBytes: 16 << 20 }, parseVary(['convert-share=0.5,2', 'io-hold-us=20,200']), catalogue);
    expect(command).toBe('foliobench sweep --policy null --memory 16MiB --vary convert-share=0.5,2 --vary io-hold-us=20,200');
    expect(runs.filter(({ workload }) => workload === 'uniform').map(({ params: { convertShare, ioHoldUs } }) => [convertShare, ioHoldUs])).toEqual([[0.5, 20], [2, 20], [0.5, 200], [2, 200]]);
    expect((await failure(createSweep({ convertShare: 4 }, parseVary(['convert-share=1,2']), catalogue))).what).toBe('--convert-share and --vary convert-share contradict each other');
  });

  test.each([
    ['convert-share=1,x', '"x" is no share'],
    ['io-hold-us=1.5,2', '"1.5" is no count'],
    ['convert-share=2', '--vary convert-share=2 is no curve'],
  ])('--vary %s is refused', (word, what) => expect(() => parseVary([word])).toThrow(what));
});
