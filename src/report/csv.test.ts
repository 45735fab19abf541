import { describe, expect, test } from 'vitest';
import { fakeCatalogue } from '../../test/tools/fakeCatalogue.ts';
import { createLocalRunner } from '../../test/tools/localRunner.ts';
import { compare } from '../harness/compare.ts';
import { CONVERSION_METRICS as METRICS } from '../harness/families/conversionMetrics.ts';
import type { ResultsRecord } from '../harness/record.ts';
import { createExperiment } from '../harness/request.ts';
import { formatCsv } from './csv.ts';

const environment = { node: 'v20.19.0', platform: 'linux', arch: 'x64', cpuModel: 'none', cpus: 2, kernel: '6.1' };

async function record(): Promise<ResultsRecord> {
  const experiment = await createExperiment({ workloads: ['zipf'], policies: ['null', 'sigbus-on-fault'], accesses: 1000 }, fakeCatalogue);
  return compare({ experiment, costsFrom: 'fake', version: '1.0.0', environment, jobs: 1, createRunner: () => createLocalRunner() });
}

const fieldsOf = (csv: string) => csv.trimEnd().split('\r\n').map((line) => line.split(','));

describe('a record as CSV', () => {
  test('has one line a cell, and the inputs first', async () => {
    const [head, ...lines] = fieldsOf(formatCsv(await record()));
    expect(head.slice(0, 9)).toEqual(['family', 'policy', 'check', 'choices', 'workload', 'label', 'seed', 'memoryBytes', 'folio']);
    expect(lines.map((line) => line.slice(0, 9))).toEqual([
      ['conversion', 'null', '', '', 'zipf', 'as today', '1', '1073741824', '4K'],
      ['conversion', 'sigbus-on-fault', 'refcount', '', 'zipf', 'as today', '1', '1073741824', '4K'],
    ]);
  });

  test('has every number of the registry and every key of its counts, absent ones as 0', async () => {
    const results = await record();
    const [head, nothing, sigbus] = fieldsOf(formatCsv(results));
    const [, cell] = results.cells;
    for (const metric of METRICS.filter(({ kind }) => kind === 'number')) expect(head).toContain(metric.path.join('.'));
    expect(head).toContain('operations.pte.zap');
    const at = (line: readonly string[], name: string) => line[head.indexOf(name)];
    expect([at(sigbus, 'virtualNs'), at(nothing, 'operations.ipc'), at(nothing, 'latencyNs.toPrivate.p50')]).toEqual([String(cell.status === 'ok' && cell.deterministic['virtualNs']), '0', '']);
  });

  test('a cell that failed says why and has no figures; what has commas or quotes is quoted', async () => {
    const results = await record();
    const failed: ResultsRecord = { ...results, cells: [{ ...results.cells[0], workload: 'a, "b"', status: 'failed', error: { what: 'no', why: 'no', fix: 'no' } } as ResultsRecord['cells'][number]] };
    const [, line] = formatCsv(failed).split('\r\n');
    expect(line).toMatch(/^conversion,null,,,"a, ""b""",as today,1,.*,failed,no(,)+$/);
  });

  test('does not depend on the machine', async () => {
    const results = await record();
    expect(formatCsv({ ...results, environment: { ...environment, node: 'v26.0.0' } })).toBe(formatCsv(results));
  });
});
