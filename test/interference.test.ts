/** What conversions cost those who do not convert: closed forms of small cases, and what holds in the workload that is made for it. */
import { describe, expect, test } from 'vitest';
import { catalogue } from '../src/harness/builtIn.ts';
import { planCells } from '../src/harness/experiment.ts';
import { RESULTS_SCHEMA } from '../src/harness/record.ts';
import { createExperiment } from '../src/harness/request.ts';
import { runCell } from '../src/harness/runCell.ts';
import { formatTables } from '../src/report/table.ts';
import { PHASES } from '../src/model/operations.ts';
import { CONVERSION_METRICS } from '../src/harness/families/conversionMetrics.ts';
import { figureAt, readDeterministic } from '../src/harness/metrics.ts';
import { workloads } from '../src/workloads/index.ts';
import type { Workload } from '../src/workloads/workload.ts';
import { policyNamed, runScript } from './tools/runScript.ts';
import { flatCosts } from './tools/flatCosts.ts';
import { a, scripted } from './tools/scripted.ts';
import { DEFAULT_COSTS, loadCostProfile } from '../src/simulate/costs.ts';
import { run } from '../src/simulate/run.ts';

/** For the shares of priced time alone, which nothing here looks at. */
const PROFILE = loadCostProfile(DEFAULT_COSTS);
const ROUNDS = 10;
/** They begin when whoever is beside them has taken its fault. */
const rounds = Array.from({ length: ROUNDS }, () => [{ ...a.toShared(1), atNs: 1000 }, a.hostWrite(1), a.toPrivate(1)]).flat();

describe('ten rounds of to-shared, a host write and to-private, beside one that writes to its own page all the time', () => {
  const beside = (writes: number): Workload => scripted({ actors: [{ accesses: rounds }, { accesses: Array.from({ length: writes }, () => a.guestWrite(9)) }] });

  test.each([
    // The entry is dirty, so each to-private flushes once, and the first of them drains the LRU batches; stage-2 does not map the page.
    ['sigbus-on-fault', ROUNDS + 1],
    ['folio-mmapped', ROUNDS + 1],
    ['exclusive-pin', 0],
  ])('%s interrupts it %i times, a nanosecond each', async (policy, interrupts) => {
    const { tally } = await runScript(beside(20_000), { policy });
    const figures = readDeterministic(CONVERSION_METRICS, { tally, costs: PROFILE });
    expect([tally.bystanderNs, tally.lostNs]).toEqual([interrupts, interrupts]);
    expect(figureAt(figures, 'lostNsPerConversion')).toBe(interrupts / (2 * ROUNDS));
  });

  test('costs nobody anything where nobody is beside it', async () => {
    const { tally } = await runScript(scripted({ actors: [{ accesses: rounds }] }));
    expect([tally.lostNs, tally.bystanderNs]).toEqual([0, 0]);
  });
});

describe('a fault that comes while a conversion holds invalidate_lock', () => {
  test('waits, and what it waits is lost by one who does not convert', async () => {
    const workload = scripted({ actors: [{ accesses: [a.toShared(0, 64), a.toPrivate(0, 64)] }, { accesses: Array.from({ length: 60 }, (_, page) => a.guestWrite(100 + page)) }] });
    const { tally } = await runScript(workload);
    const waited = tally.lockBlockedNs.reduce((sum, ns) => sum + ns, 0);
    expect(waited).toBeGreaterThan(0);
    const own = [tally.conversions.toPrivate, tally.conversions.toShared].reduce((sum, { phasesNs }) => sum + phasesNs[PHASES.indexOf('lockWait')], 0);
    // What the converter waited for is in its own latency, and nowhere else.
    expect(tally.lostNs).toBe(waited - own + tally.bystanderNs);
  });
});

describe('the table of interference', () => {
  async function tablesOf(workload: string, vcpus: number): Promise<string> {
    const experiment = await createExperiment({ policies: ['sigbus-on-fault'], workloads: [workload], memoryBytes: 64 << 20, accesses: 4000, vcpus }, catalogue);
    const { name: from, hash } = experiment.costs;
    const cells = await Promise.all(planCells(experiment).map(({ cell }) => runCell({ cell, costs: { from, hash } }, catalogue)));
    return formatTables({ schema: RESULTS_SCHEMA, tool: { version: '0' }, environment: { node: '', platform: '', arch: '', cpuModel: '', cpus: 1, kernel: '' }, complete: true, experiment, cells });
  }
  test('is there where conversions make others wait, and only there', async () => {
    const [converting, quiet] = await Promise.all([tablesOf('converters', 8), tablesOf('converters', 1)]);
    expect(converting).toContain('lost by others');
    expect(quiet).not.toContain('lost by others');
  });
});

describe('converters', () => {
  const workload = workloads.find(({ name }) => name === 'converters') as Workload;
  const tallyOf = async (policy: string, vcpus: number) => {
    const options = { pageCount: 16_384, accessCount: 5000, seed: 1, vcpus, processes: 1, windowsPerProcess: 1, conversion: 'explicit', dma: 'pool', io: 'direct', pace: 'closed' } as const;
    return (await run({ policy: policyNamed(policy), workload, check: 'refcount', costs: flatCosts(10), folioOrder: 0, options })).tally;
  };

  test.each([1, 2, 4, 8])('of %i vCPUs: every to-private flushes once, and interrupts every other vCPU', async (vcpus) => {
    const tally = await tallyOf('sigbus-on-fault', vcpus);
    const { requested, succeeded } = tally.conversions.toPrivate;
    // A fifth of a vCPU's share where it converts; bystanders have four times as much.
    const shares = Math.ceil(vcpus / 2) + 4 * Math.floor(vcpus / 2);
    expect(Math.abs(requested - (Math.ceil(vcpus / 2) * 5000) / shares / 5)).toBeLessThanOrEqual(vcpus);
    expect(succeeded).toBe(requested);
    expect(readDeterministic(CONVERSION_METRICS, { tally, costs: PROFILE })).toMatchObject({ tlb: { flushes: requested, ipis: requested * (vcpus - 1) } });
  });

  test('lose more for each conversion the more of them there are, and nothing alone', async () => {
    const lost = await Promise.all([1, 2, 8, 32].map(async (vcpus) => (await tallyOf('sigbus-on-fault', vcpus)).lostNs));
    expect(lost[0]).toBe(0);
    expect(lost.every((ns, nth) => nth === 0 || ns > lost[nth - 1])).toBe(true);
  });

  test('have no figure by conversion where nothing is converted', async () => {
    const tally = await tallyOf('null', 4);
    expect(figureAt(readDeterministic(CONVERSION_METRICS, { tally, costs: PROFILE }), 'lostNsPerConversion')).toBeNull();
  });
});
