import { describe, expect, test } from 'vitest';
import { fakeCatalogue, fakeCosts, fakeTally, histogramOf } from '../../test/tools/fakeCatalogue.ts';
import { createLocalRunner } from '../../test/tools/localRunner.ts';
import { compare } from '../harness/compare.ts';
import { Op } from '../model/operations.ts';
import type { ResultsRecord } from '../harness/record.ts';
import { createExperiment, type Request } from '../harness/request.ts';
import type { Safety } from '../harness/verdicts.ts';
import { CONTRACT_COLUMNS, COST_COLUMNS, MEMORY_COLUMNS } from './columns.ts';
import { blocksOf } from './families/index.ts';
import { groupCells, latencies, type SummaryRow } from './rows.ts';
import { bestRows, formatTables } from './table.ts';

const environment = { node: 'v20.19.0', platform: 'linux', arch: 'x64', cpuModel: 'none', cpus: 2, kernel: '6.1' };

async function record(request: Request, catalogue = fakeCatalogue): Promise<ResultsRecord> {
  const experiment = await createExperiment(request, catalogue);
  return compare({ experiment, costsFrom: 'fake', version: '1.0.0', environment, jobs: 1, createRunner: () => createLocalRunner(catalogue) });
}

describe('the summary', () => {
  test('has the same rows twice for each label, and the method under them', async () => {
    expect(formatTables(await record({ workloads: ['zipf', 'sequential'], seeds: [1, 2], accesses: 1000 }), { profile: fakeCosts })).toMatchInlineSnapshot(`
      "as today: the guest asks for each conversion and bounces its DMA through a shared pool
      2 workloads: sequential, zipf
      ----------------------------------------------------------------------------------------------------------
      policy           completed   accesses  to-private  to-private  granted      VMAs   entries      TLB   TLB  bystander
                            work  completed         p50         p99        %   visited    zapped  flushes  IPIs       time
                         pages/s          %          us          us           /request  /request                         %
      ----------------------------------------------------------------------------------------------------------
      null                 100M        100           -           -        -         -         -        0     0          0
      lower-bound          200M        100        1.01        1.01      100      1.00      1.50       80     0        2.0
      sigbus-on-fault      100M*       100*       1.01        1.01*     100*     1.00      1.50       80     0        1.0
      refuse-mmap         50.0M       50.0        1.01       >50.2     50.0      1.00      1.50       80     0        1.0
      ----------------------------------------------------------------------------------------------------------

      ------------------------------------------------------------------------------------------------------
      policy           SIGBUS  SIGSEGV   attempts      mmap       GUP  degraded       rogue   exposures          safe
                                          refused  failures  failures  accesses    accesses
      ------------------------------------------------------------------------------------------------------
      null                 0        0          0         0         0         0   none seen   none seen   not checked
      lower-bound          0        0          0         0         0         0   none seen   none seen   not checked
      sigbus-on-fault     12        0          0*        0*        0         0   none seen   none seen   not checked
      refuse-mmap          0        0   EBUSY 20        28         0         0   none seen   none seen   not checked
      ------------------------------------------------------------------------------------------------------

      * best of the column; withheld where who has it completed less work than another policy
      > at least: some of these requests were given up at that time
      safe: as foliobench explore found it in every interleaving of its litmus files; stale: the sources have changed since
      1000 accesses a cell (a recorded guest: its own); seeds 1, 2; 16 cells; foliobench 1.0.0
      prices: fake, hash 0123456789ab; of the priced time 0 % measured, 90.9 to 100 % published, 0 to 9.1 % estimated
      as today: order stable (each of 1 estimated prices at its low and at its high end)
      repeat with: foliobench compare --workload zipf,sequential --accesses 1000 --seeds 1,2
      "
    `);
  });

  test('fits in 120 columns, with every check in it and everything failing', async () => {
    const failing = { ...fakeCatalogue, run: async () => { throw new Error('x'); } };
    const text = formatTables(await record({ checks: ['all'] })) + formatTables(await record({ checks: ['all'] }, failing));
    expect(text.split('\n').filter(({ length }) => length > 120)).toEqual([]);
    expect(text).toContain('sigbus-on-fault');
    expect(text).toContain('mapped-or-pinned');
  });

  test('has no control characters but newlines', async () => {
    expect(formatTables(await record({}))).toMatch(/^[\x20-\x7e\n]+$/);
  });

  test('says for each workload what it says for each label', async () => {
    const text = formatTables(await record({ workloads: ['zipf', 'sequential'] }), { by: 'workload' });
    expect(text.match(/^workload: \w+$/gm)).toEqual(['workload: sequential', 'workload: zipf']);
  });

  test('never mixes labels', async () => {
    const groups = groupCells(await record({ policies: ['null'] }), 'label');
    expect(groups.map(({ label, workloads, rows }) => [label, workloads.length, rows[0].cells.length])).toEqual([
      ['as today', 4, 4],
      ['lazy donation', 3, 3],
      ['counterfactual', 2, 2],
    ]);
  });
});

describe('the foot of the tables', () => {
  const footOf = async (request: Request, rogueAccesses: number, orphanAccesses = 0) => {
    const seen = { ...fakeCatalogue, run: async (options: Parameters<typeof fakeCatalogue.run>[0]) => {
      const tally = fakeTally(options);
      tally.operations[Op['access.rogue']] = rogueAccesses;
      tally.operations[Op['access.orphan']] = orphanAccesses;
      return { tally, notes: [] };
    } };
    const lines = formatTables(await record({ workloads: ['zipf'], ...request }, seen)).split('\n');
    const from = lines.findIndex((line) => line.includes('foliobench 1.0.0'));
    return lines.slice(from + 1, lines.findIndex((line) => line.startsWith('prices: '))).join(' ').replaceAll(/\s+/g, ' ');
  };

  test('says nothing of a platform or a strategy that are the defaults', async () => {
    expect(await footOf({}, 0)).toBe('');
  });
  test('names the platform and the strategy that are not', async () => {
    expect(await footOf({ platform: 'pkvm', vmm: 'give-up' }, 0)).toBe('platform: pkvm, with what its conversions pay VMM: give-up after a refusal, under every policy');
  });
  test('says whose devices worked on pages that had been punched, which is no rogue access and in no column', async () => {
    expect(await footOf({ policies: ['sigbus-on-fault', 'refuse-mmap'] }, 0, 1234)).toMatch(
      /^lost data: accesses of devices and kernel users to pages that were punched while they held them: sigbus-on-fault [\d.]+k, refuse-mmap [\d.]+k$/,
    );
  });
  test('says once what becomes of the host where there were rogue accesses, on whatever platform', async () => {
    expect(await footOf({}, 2)).toBe('rogue accesses on sw-protected: nothing happens physically: the access reads or writes the data of the guest');
    expect(await footOf({ platform: 'snp' }, 2)).toBe(
      'platform: snp, with what its conversions pay rogue accesses on snp: a write is an RMP page fault: SIGBUS for user space, an oops for the kernel; a read sees ciphertext',
    );
  });
});

describe('what each policy holds in memory', () => {
  const LARGE = { workloads: ['zipf'], folio: '2M' } as const;
  const blocks = async (request: Request) => blocksOf(groupCells(await record(request), 'label')[0].rows).map(({ columns }) => columns);

  test('is shown where the run asked for large folios, or where memory stands twice', async () => {
    expect(await blocks({ workloads: ['zipf'] })).toEqual([COST_COLUMNS, CONTRACT_COLUMNS]);
    expect(await blocks(LARGE)).toEqual([COST_COLUMNS, CONTRACT_COLUMNS, MEMORY_COLUMNS]);
    expect(blocksOf([rowWith([{ doubleMaxBytes: 1 }])]).map(({ columns }) => columns)).toEqual([COST_COLUMNS, CONTRACT_COLUMNS, MEMORY_COLUMNS]);
  });

  test('is a mean of the cells, or the most of any of them', () => {
    const row = rowWith([
      { hugeCoverageMean: 0.5, vmemmapMeanBytes: 2 ** 20, vmemmapHvoMeanBytes: 2 ** 18, pageTableMaxBytes: 2 ** 12, doubleMaxBytes: 0, peakBytes: 2 ** 30 },
      { hugeCoverageMean: 1, vmemmapMeanBytes: 3 * 2 ** 20, vmemmapHvoMeanBytes: 2 ** 18, pageTableMaxBytes: 2 ** 20, doubleMaxBytes: 2 ** 21, peakBytes: 2 ** 29 },
    ]);
    expect(MEMORY_COLUMNS.map(({ text }) => text(row))).toEqual(['75.0', '2.5', '2.00', '0.250', '1.00', '2.00', '1.02k']);
    expect(MEMORY_COLUMNS.map(({ text }) => text({ ...row, cells: [] }))).toEqual(MEMORY_COLUMNS.map(() => '-'));
  });

  test('stays within 120 columns', async () => {
    const text = formatTables(await record({ ...LARGE, checks: ['all'] }));
    expect(text).toContain('guest TLB');
    expect(text.split('\n').filter(({ length }) => length > 120)).toEqual([]);
  });

  /** A row of cells with these figures of memory, and one TLB miss in 40 accesses of the guest. */
  function rowWith(memories: readonly Readonly<Record<string, number>>[]): SummaryRow {
    const cells = memories.map((memory) => ({ params: { folio: '4K' }, deterministic: { lockBlockedNs: {}, conversions: { toPrivate: { requested: 0 }, toShared: { requested: 0 } }, memory, guestTlbMisses: 1, operations: { 'guest.access': 40 } } }));
    return { family: 'conversion', policy: 'x', check: null, isMeasure: false, missing: 0, safe: '', cells } as unknown as SummaryRow;
  }
});

describe('the safe column', () => {
  const rowsWith = async (safety: Safety) =>
    groupCells(await record({ workloads: ['zipf'], checks: ['all'] }), 'label', safety)[0].rows.map((row) => [row.policy, row.check, CONTRACT_COLUMNS.at(-1)?.text(row)]);

  test('says what exploration found for the policy under its check, and nothing of a measure', async () => {
    expect(await rowsWith((policy, check) => (check === 'mapcount' ? 'broken: fault-in-flight-against-to-private' : policy === 'refuse-mmap' ? 'stale' : 'proved'))).toEqual([
      ['null', null, 'not checked'],
      ['lower-bound', null, 'not checked'],
      ['sigbus-on-fault', 'mapcount', 'broken: fault- \nin-flight- \nagainst-to- \nprivate'],
      ['sigbus-on-fault', 'mapped-or-pinned', 'proved'],
      ['sigbus-on-fault', 'refcount', 'proved'],
      ['refuse-mmap', null, 'stale'],
    ]);
  });

  test('leaves the table within 120 columns, and the record without a word of it', async () => {
    const compared = await record({ workloads: ['zipf'], checks: ['all'] });
    const text = formatTables(compared, { safety: () => 'broken: fault-in-flight-against-to-private' });
    expect(text).toContain('broken: fault-');
    expect(text.split('\n').filter(({ length }) => length > 120)).toEqual([]);
    expect(JSON.stringify(compared)).not.toContain('"safe"');
  });
});

describe('a row', () => {
  test('merges histograms, and does not average percentiles', async () => {
    const [{ rows }] = groupCells(await record({ policies: ['sigbus-on-fault'], workloads: ['zipf'], seeds: [1, 2, 3000] }), 'label');
    const merged = latencies(rows[0], 'toPrivate');
    expect([merged.count, merged.totalNs, merged.minNs, merged.maxNs]).toEqual([30, 10 * (1001 + 1002 + 4000), 1001, 4000]);
    expect([merged.percentile(50), merged.percentile(99)]).toEqual([1008, 4032]);
  });

  test('whose requests were given up shows its latency as a bound', async () => {
    const text = formatTables(await record({ policies: ['refuse-mmap'], workloads: ['zipf'] }));
    const line = text.split('\n').find((candidate) => candidate.startsWith('refuse-mmap'));
    expect(line?.split(/ {2,}/).slice(2, 6)).toEqual(['50.0', '1.01', '>50.2', '50.0']);
  });

  test('whose few requests were given up early knows its median all the same', async () => {
    // 100 requests of 1000 ns and 100 of 2000 ns; one more was given up after 500 ns.
    const early = { ...fakeCatalogue, run: async (options: Parameters<typeof fakeCatalogue.run>[0]) => {
      const tally = fakeTally(options);
      const granted = Array.from({ length: 200 }, (_, index) => (index < 100 ? 1000 : 2000));
      return { tally: { ...tally, latencyNs: { ...tally.latencyNs, toPrivate: histogramOf(granted), abandoned: histogramOf([500]) } }, notes: [] };
    } };
    const [{ rows }] = groupCells(await record({ policies: ['refuse-mmap'], workloads: ['zipf'] }, early), 'label');
    const [, , p50, p99] = COST_COLUMNS;
    expect([p50.text(rows[0]), p50.figure(rows[0])]).toEqual(['>1.01', 2016]); // rank 101: the given-up one decides
    expect([p99.text(rows[0]), p99.figure(rows[0])]).toEqual(['2.02', 2016]);
  });

  test('takes no given-up to-shared request for a to-private one', async () => {
    const other = { ...fakeCatalogue, run: async (options: Parameters<typeof fakeCatalogue.run>[0]) => {
      const tally = fakeTally(options);
      return { tally: { ...tally, latencyNs: { ...tally.latencyNs, abandoned: histogramOf([50_000, 50_000]) } }, notes: [] };
    } };
    const [{ rows }] = groupCells(await record({ policies: ['sigbus-on-fault'], workloads: ['zipf'] }, other), 'label');
    expect(COST_COLUMNS[3].text(rows[0])).toBe('1.01');
  });

  test('that lacks cells says so and is never the best', async () => {
    const flaky = { ...fakeCatalogue, run: async (options: Parameters<typeof fakeCatalogue.run>[0]) => {
      if (options.policy === 'sigbus-on-fault' && options.options.seed === 2) throw new Error('broken');
      return fakeCatalogue.run(options);
    } };
    const damaged = await record({ workloads: ['zipf'], seeds: [1, 2] }, flaky);
    const text = formatTables(damaged);
    expect(text).toContain('(1 of 2 cells)');
    expect(text).toContain('1 of 8 cells failed:\n- sigbus-on-fault / zipf / seed 2: the cell ended with an unexpected error (Error: broken');
    const [{ rows }] = groupCells(damaged, 'label');
    expect([...bestRows(COST_COLUMNS[0], rows)].map(({ policy }) => policy)).not.toContain('sigbus-on-fault');
  });
});

describe('the mark', () => {
  const column = { head: ['x'], better: 'less' as const, figure: ({ policy }: SummaryRow) => Number(policy.slice(1)), text: () => '' };
  const row = (policy: string, work: number, isMeasure = false): SummaryRow => ({
    family: 'conversion', policy, check: null, isMeasure, missing: 0, safe: 'not checked', cells: [{ deterministic: { work } }] as unknown as SummaryRow['cells'],
  });
  const marked = (...rows: readonly SummaryRow[]) => [...bestRows(column, rows)].map(({ policy }) => policy);

  test('goes to the best figure, or to all that share it', () => {
    expect(marked(row('p2', 10), row('p1', 10), row('p3', 10))).toEqual(['p1']);
    expect(marked(row('p1', 10), row('p1', 10), row('p3', 10))).toEqual(['p1', 'p1']);
  });
  test('goes to nobody where all are alike', () => expect(marked(row('p1', 10), row('p1', 10))).toEqual([]));
  test('goes to nobody where the best figure is of a policy that completed less', () => {
    expect(marked(row('p2', 10), row('p1', 9), row('p3', 10))).toEqual([]);
    expect(marked(row('p1', 10), row('p2', 9), row('p3', 10))).toEqual(['p1']);
  });
  test('goes to no measure', () => expect(marked(row('p2', 10), row('p3', 10), row('p1', 99, true))).toEqual(['p2']));
});
