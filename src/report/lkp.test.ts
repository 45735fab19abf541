import { describe, expect, test } from 'vitest';
import { fakeCatalogue } from '../../test/tools/fakeCatalogue.ts';
import { createLocalRunner } from '../../test/tools/localRunner.ts';
import type { Catalogue } from '../harness/catalogue.ts';
import { compare } from '../harness/compare.ts';
import type { ResultsRecord } from '../harness/record.ts';
import { createExperiment, type Request } from '../harness/request.ts';
import { formatLkp } from './lkp.ts';

const environment = { node: 'v20.19.0', platform: 'linux', arch: 'x64', cpuModel: 'none', cpus: 2, kernel: '6.1' };

async function record(request: Request, catalogue: Catalogue = fakeCatalogue): Promise<ResultsRecord> {
  const experiment = await createExperiment(request, catalogue);
  return compare({ experiment, costsFrom: 'fake', version: '1.0.0', environment, jobs: 1, createRunner: () => createLocalRunner(catalogue) });
}

const request = { policies: ['sigbus-on-fault', 'refuse-mmap'], workloads: ['zipf'], accesses: 1000, seeds: [1, 2, 3], memoryBytes: 2 ** 26 } as const;

describe('a record as the kernel test robot would mail it', () => {
  test('has a block of base and other, with spreads over seeds, changes and names of metrics', async () => {
    expect(formatLkp(await record(request))).toMatchInlineSnapshot(`
      "================================================================================
      workload/label/memory/folio/vcpus/processes/vmas/accesses/seeds:
        zipf/as today/64MiB/4K/2/1/1/1000/3

      policy:
        sigbus-on-fault
        refuse-mmap

      sigbus-on-fault  refuse-mmap
      ---------------- ---------------------------
               %stddev     %change         %stddev
                   \\          |                \\
            1000           -50.0%        500        completed
            1000           -50.0%        500        work
       100000000           -50.0%   50000000        completedPerVirtualSecond
       100000000           -50.0%   50000000        workPerVirtualSecond
              10           -50.0%          5        toPrivate.succeeded
               0            +Inf%          5        toPrivate.gaveUp
            1008             0.0%       1008        latencyNs.toPrivate.p50
            1008             0.0%       1008        latencyNs.toPrivate.p99
           10020           -50.0%       5010        phasesNs.toPrivate.exit
               3          -100.0%          0        signals.SIGBUS
               0             0.0%          0        safety.rogueAccesses

      means over 3 seeds; virtual time; prices: fake, hash 0123456789ab; foliobench
        1.0.0
      repeat with: foliobench compare --policy sigbus-on-fault,refuse-mmap --workload zipf --memory 64MiB --accesses 1000 --seeds 1,2,3
      "
    `);
  });

  test('says nothing of a spread where there is one seed', async () => {
    const text = formatLkp(await record({ ...request, seeds: [1] }));
    expect(text).not.toContain('±');
    expect(text).toContain('means over one seed;');
  });

  test('sets every other policy against the first, in every run, and leaves measures out', async () => {
    const text = formatLkp(await record({ workloads: ['sequential', 'zipf'], checks: ['mapcount', 'refcount'] }));
    expect(text.match(/^ {2}(?:sigbus|refuse|null|lower)\S*(?:, \S+)?$/gm)).toEqual([
      '  sigbus-on-fault, mapcount', '  sigbus-on-fault', '  sigbus-on-fault, mapcount', '  refuse-mmap',
      '  sigbus-on-fault, mapcount', '  sigbus-on-fault', '  sigbus-on-fault, mapcount', '  refuse-mmap',
    ]);
  });

  test('fits a mail: 80 characters, but for the command that is there to be copied', async () => {
    const lines = formatLkp(await record({ checks: ['all'] })).split('\n');
    expect(lines.filter((line) => line.length > 80 && !line.startsWith('repeat with: '))).toEqual([]);
  });

  test('leaves out a block that has no cells on one side, and says how many failed', async () => {
    const failing: Catalogue = { ...fakeCatalogue, run: async (options) => { if (options.policy === 'refuse-mmap') throw new Error('x'); return fakeCatalogue.run(options); } };
    const text = formatLkp(await record(request, failing));
    expect(text).not.toContain('=====');
    expect(text).toContain('3 of 6 cells failed; blocks have the others');
  });

  test.each([['sigbus-on-fault', 'sigbus-on-fault only'], ['null', 'measures only']])('refuses a record of %s alone', async (policy, why) => {
    const alone = await record({ ...request, policies: [policy] });
    expect(() => formatLkp(alone)).toThrow(expect.objectContaining({ why: expect.stringContaining(why) }));
  });
});
