/** The size of the guest's requests, through the whole program: what is counted by page stays, what is counted by request follows. */
import { describe, expect, test } from 'vitest';
import { catalogue } from '../src/harness/builtIn.ts';
import { planCells } from '../src/harness/experiment.ts';
import { figureAt } from '../src/harness/metrics.ts';
import { createExperiment } from '../src/harness/request.ts';
import { runCell } from '../src/harness/runCell.ts';

async function requestsOf(workload: string, requestPages?: number): Promise<readonly (number | null)[]> {
  const asked = { policies: ['sigbus-on-fault'], workloads: [workload], memoryBytes: 16 << 20, accesses: 1600, vcpus: 2 };
  const experiment = await createExperiment(requestPages === undefined ? asked : { ...asked, requestPages }, catalogue);
  const [{ cell }] = planCells(experiment);
  const result = await runCell({ cell, costs: { from: experiment.costs.name, hash: experiment.costs.hash } }, catalogue);
  if (result.status === 'failed') throw new Error(result.error.why);
  return ['pages', 'requested', 'succeeded'].map((name) => figureAt(result.deterministic, 'conversions', 'toPrivate', name));
}

describe('ping-pong, whose even vCPUs convert one page and whose odd ones four', () => {
  // 2 vCPUs of 800 accesses, 8 a round: 100 rounds each.
  test.each([
    ['as it is', undefined, 200],
    ['of at most 4 pages', 4, 200],
    ['of at most 3', 3, 300],
    ['of single pages', 1, 500],
  ])('with requests %s', async (_, requestPages, requests) => {
    expect(await requestsOf('ping-pong', requestPages)).toEqual([500, requests, requests]);
  });
});

describe('kexec, which takes adjacent ranges back in one burst', () => {
  test('asks once for what it asked in many ranges, where a request has room for it', async () => {
    const [pages, ranges] = await requestsOf('kexec');
    const [samePages, requests] = await requestsOf('kexec', 1 << 20);
    expect(samePages).toBe(pages);
    // Each of two vCPUs takes its part back twice, whole.
    expect([ranges, requests]).toEqual([7, 4]);
  });
});
