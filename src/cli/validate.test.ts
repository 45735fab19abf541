import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runWords } from '../../test/tools/commandLine.ts';
import { fakeCatalogue } from '../../test/tools/fakeCatalogue.ts';
import { placesOf } from '../calibrate/grids.ts';
import { POINTS_SCHEMA, formatPoints } from '../calibrate/points.ts';
import type { Point } from '../calibrate/points.ts';
import { RESULTS_SCHEMA } from '../harness/record.ts';
import { loadCostProfile } from '../simulate/costs.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'foliobench-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const run = (...words: readonly string[]) => runWords(words, { folder, catalogue: { ...fakeCatalogue, loadCostProfile } });

/** A machine on which a call takes a microsecond, and one more for each page. */
function written(...names: readonly string[]): string {
  const points: readonly Point[] = placesOf({ quick: true, cpus: 1 })
    .filter(({ operation }) => operation === 'fault.first' || operation === 'allocate' || operation === 'zap')
    .map((place) => ({ ...place, backing: 'guest_memfd', ns: 1000 + 1000 * place.pages, spread: 1, runs: 9 }));
  const file = path.join(folder, ...names);
  mkdirSync(path.dirname(file), { recursive: true });
  const environment = { node: 'v20', platform: 'linux', arch: 'x64', cpuModel: 'a CPU', cpus: 2, kernel: '6.18' };
  writeFileSync(file, formatPoints({ schema: POINTS_SCHEMA, tool: { version: '1' }, environment, hypervisor: 'none', backing: 'guest_memfd', date: '2026-11-21', quick: true, points, behaviours: [], notMeasured: [] }));
  return file;
}

describe('validate', () => {
  test('prints the figures of a file of points, and with --all every point', async () => {
    const file = written('points.json');
    const { exitCode, stdout, stderr } = await run('validate', file);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^predicted against measured: guest_memfd, Linux 6\.18, a CPU, 2026-11-21, quick\n/);
    expect(stdout).toMatch(/^held back by their hash +\d+ +\d+\.\d +\d+\.\d$/m);
    expect((await run('validate', file, '--all')).stdout).toMatch(/^fault\.first 512 pages, 1 VMAs +513000 +\d+ /m);
  });

  test('tells how much of a record its prices cover: a named one, or the baseline of the package', async () => {
    const file = written('points.json');
    expect((await run('validate', file)).stdout).not.toContain('of the priced time');
    const cell = { policy: 'a', params: {}, wallClock: {}, status: 'ok', deterministic: { operations: { 'page.clear': 1 } } };
    const record = { schema: RESULTS_SCHEMA, tool: { version: '1' }, environment: {}, complete: true, experiment: { rows: [{ policy: 'a' }], runs: [], seeds: [1], costs: {}, family: 'conversion', command: '' }, cells: [cell] };
    mkdirSync(path.join(folder, 'results'), { recursive: true });
    writeFileSync(path.join(folder, 'results', 'baseline.json'), JSON.stringify(record));
    writeFileSync(path.join(folder, 'mine.json'), JSON.stringify({ ...record, cells: [{ ...cell, deterministic: { operations: { 'vm.exit': 1 } } }] }));
    expect((await run('validate', file)).stdout).toContain('\nof the priced time of baseline.json operations that were measured here are 100 % under a\n');
    expect((await run('validate', file, '--covers', path.join(folder, 'mine.json'))).stdout).toContain('\nof the priced time of mine.json operations that were measured here are 0 % under a\n');
    expect(await run('validate', file, '--covers', path.join(folder, 'none.json'))).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('cannot read') });
  });

  test('takes the grids of the package where none is named', async () => {
    written('results', 'calibration', 'one.json');
    written('results', 'calibration', 'two.json');
    expect((await run('validate')).stdout.match(/^predicted against measured/gm)).toHaveLength(2);
  });

  test('says so where there is none', async () => {
    const { exitCode, stderr } = await run('validate');
    expect(exitCode).toBe(2);
    expect(stderr).toBe(`foliobench: there are no points to validate\n  why: ${path.join(folder, 'results', 'calibration')} has none\n  fix: measure some with foliobench calibrate --points FILE, and give that file\n`);
  });
});

describe('calibrate', () => {
  test('fits prices to points of before, without measuring', async () => {
    const profile = path.join(folder, 'mine.json');
    const { exitCode, stdout, stderr } = await run('calibrate', '--from-points', written('points.json'), '-o', profile);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^predicted against measured: guest_memfd, Linux 6\.18, a CPU, 2026-11-21, quick\n/);
    expect(loadCostProfile(profile)).toMatchObject({ name: 'mine', machine: 'a CPU, 2 CPUs', date: '2026-11-21' });
  });
  test('does not measure what it takes from a file', async () => {
    expect(await run('calibrate', '--from-points', written('points.json'), '--quick', '--backing', 'memfd')).toMatchObject({
      exitCode: 2,
      stderr: 'foliobench: --quick and --backing cannot go with --from-points\n  why: nothing is measured with it: the points are those of the file\n  fix: leave out --from-points, or --quick and --backing\n',
    });
  });
  test('does not begin where it could not write', async () => {
    const { exitCode, stderr } = await run('calibrate', '--quick', '-o', folder);
    expect([exitCode, stderr.split('\n')[1]]).toEqual([2, '  why: it is a folder']);
  });
  test('takes no other backing than there is', async () => {
    expect((await run('calibrate', '--backing', 'tmpfs')).stderr).toContain('"tmpfs" is none of guest_memfd, memfd');
  });
});
