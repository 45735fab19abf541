import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runWords, type Surroundings } from '../../test/tools/commandLine.ts';
import { fakeCatalogue, fakeCosts } from '../../test/tools/fakeCatalogue.ts';
import type { Catalogue } from '../harness/catalogue.ts';
import { formatRecord, type ResultsRecord } from '../harness/record.ts';
import { ciEnvironmentOf } from './ciEnvironment.ts';

const run = (words: readonly string[], surroundings: Partial<Surroundings> = {}) => runWords(words, { folder, ...surroundings });

let folder = '';
let baseline = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foliobench-'));
  baseline = join(folder, 'baseline.json');
  await run(['compare', '--workload', 'zipf', '--seeds', '1,2', '-o', baseline, '--quiet']);
});
afterEach(() => rm(folder, { recursive: true }));

type Editable = { -readonly [K in keyof Omit<ResultsRecord, 'cells'>]: ResultsRecord[K] } & { readonly cells: Record<string, unknown>[] };

/** Changes the baseline on the disk. */
async function edit(change: (record: Editable) => void): Promise<void> {
  const record = JSON.parse(await readFile(baseline, 'utf8')) as Editable;
  change(record);
  await writeFile(baseline, formatRecord(record as unknown as ResultsRecord));
}

/** The figures of the first cell of a policy that takes requests, open to change. */
function figuresOf(record: Editable, policy = 'sigbus-on-fault'): Record<string, number & Record<string, number & Record<string, number>>> {
  const cell = record.cells.find((candidate) => candidate['policy'] === policy);
  return cell?.['deterministic'] as Record<string, number & Record<string, number & Record<string, number>>>;
}

const gate = (...words: readonly string[]) => run(['gate', '--baseline', baseline, ...words]);

describe('the gate passes', () => {
  test('where every figure is the same, and says how many were compared', async () => {
    const { exitCode, stdout, stderr } = await gate();
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^PASS\n\d{3,} figures of 8 cells: this program against .*\nall are the same\n$/);
  });

  test('where what differs is tolerated', async () => {
    const config = join(folder, 'gate.json');
    await writeFile(config, JSON.stringify({ schema: 'foliobench/gate@1', tolerances: { bystanderNs: { units: 3 } } }));
    await edit((record) => (figuresOf(record)['bystanderNs'] as number) += 3);
    const { exitCode, stdout } = await gate('--config', config);
    expect([exitCode, stdout.split('\n')[0]]).toEqual([0, 'PASS']);
    expect(stdout).toContain('within tolerance: 1 in 1 place');
  });
});

describe('the gate never passes, and says what is wrong, with', () => {
  const mutations: readonly (readonly [name: string, change: (record: Editable) => void, said: string])[] = [
    ['a row dropped', (record) => record.cells.splice(2, 1), 'the baseline does not have it'],
    ['all rows dropped', (record) => record.cells.splice(0), 'the baseline does not have it'],
    ['a row renamed', (record) => (record.cells[2]['policy'] = 'sigbus'), 'it was renamed, or added by hand'],
    ['a row twice', (record) => record.cells.push(record.cells[2]), 'the baseline has it twice'],
    ['a row that failed', (record) => Object.assign(record.cells[2], { status: 'failed', error: { what: 'no', why: 'no', fix: 'no' } }), 'it failed: no'],
    ['an odd status', (record) => (record.cells[2]['status'] = 'fine'), 'its status is "fine"'],
    ['two policies swapped', (record) => ([record.cells[4]['policy'], record.cells[6]['policy']] = [record.cells[6]['policy'], record.cells[4]['policy']]), 'FAIL'],
    ['one counter changed by one', (record) => (figuresOf(record)['rmap']['walks'] as number) -= 1, 'rmap.walks: '],
    ['one operation changed by one', (record) => (figuresOf(record)['operations']['pte.zap'] as number) += 1, 'operations.pte.zap: '],
    ['a figure of 0', (record) => ((figuresOf(record) as Record<string, number>)['virtualNs'] = 0), 'virtualNs: 0 -> '],
    ['no accesses at all', (record) => ((figuresOf(record) as Record<string, number>)['accesses'] = 0), 'it has no samples'],
    ['samples taken out of a histogram', (record) => ((figuresOf(record)['latencyNs']['toPrivate'] as Record<string, unknown>)['histogram'] = []), 'its histogram has 0 samples'],
    ['a figure that is no number', (record) => ((figuresOf(record) as Record<string, unknown>)['work'] = 'much'), 'work is "much", which is no figure'],
    ['a figure that is null', (record) => ((figuresOf(record) as Record<string, unknown>)['work'] = null), 'work is null, which is no figure'],
    ['a figure taken away', (record) => delete (figuresOf(record) as Record<string, unknown>)['degraded'], 'degraded is missing'],
    ['requests that nobody answered', (record) => (figuresOf(record)['conversions']['toPrivate']['requested'] as number) += 1, 'requested is not succeeded + timedOut + gaveUp'],
    ['no rows expected', (record) => ((record.experiment as { rows: unknown }).rows = []), 'the baseline expects no cells'],
    ['no runs expected', (record) => Object.assign(record, { cells: [], experiment: { ...record.experiment, runs: [] } }), 'nothing would be compared'],
    ['the mark of an incomplete record', (record) => (record.complete = false), 'the baseline is marked as incomplete'],
  ];

  test.each(mutations)('%s', async (_name, change, said) => {
    await edit(change);
    const { exitCode, stdout } = await gate();
    expect(stdout).toContain(said);
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^FAIL\n/);
  });

  const unreadable: readonly (readonly [name: string, content: (text: string) => string, said: string])[] = [
    ['a truncated file', (text) => text.slice(0, text.length / 2), 'is not JSON'],
    ['an empty file', () => '', 'is not JSON'],
    ['another version of the schema', (text) => text.replace('foliobench/results@1', 'foliobench/results@2'), 'its schema is "foliobench/results@2"'],
    ['something else that is JSON', () => '[]', 'is not a results record'],
    ['NaN', (text) => text.replace(/"accesses":\d+/, '"accesses":NaN'), 'is not JSON'],
  ];

  test.each(unreadable)('%s', async (_name, content, said) => {
    await writeFile(baseline, content(await readFile(baseline, 'utf8')));
    const { exitCode, stderr } = await gate();
    expect(exitCode).toBe(2);
    expect(stderr).toContain(said);
  });

  test('a figure that is better: the baseline has to follow', async () => {
    await edit((record) => (figuresOf(record)['bystanderNs'] as number) += 1);
    const { exitCode, stdout } = await gate();
    expect([exitCode, stdout.split('\n')[0]]).toEqual([3, 'INCONCLUSIVE']);
    expect(stdout).toContain(`If the change is meant: foliobench gate --baseline ${baseline} --update`);
  });

  test('other prices: counts are compared, times are not', async () => {
    const dearer: Catalogue = { ...fakeCatalogue, loadCostProfile: () => ({ ...fakeCosts, name: 'dearer', hash: 'ba9876543210' }) };
    const { exitCode, stdout } = await run(['gate', '--baseline', baseline, '--costs', 'dearer'], { catalogue: dearer });
    expect([exitCode, stdout.split('\n')[0]]).toEqual([3, 'INCONCLUSIVE']);
    expect(stdout).toContain('priced by dearer, the baseline by fake: times were not compared');
    const changed: Catalogue = { ...fakeCatalogue, loadCostProfile: () => ({ ...fakeCosts, hash: 'ba9876543210' }) };
    expect((await run(['gate', '--baseline', baseline], { catalogue: changed })).stdout).toContain('priced by fake (ba9876543210), the baseline by fake (0123456789ab): times');
    await edit((record) => (figuresOf(record)['rmap']['walks'] as number) -= 1);
    const counted = await run(['gate', '--baseline', baseline, '--costs', 'dearer'], { catalogue: dearer });
    expect(counted.exitCode).toBe(1);
  });
});

describe('gate', () => {
  test('--update writes the baseline anew, says what changed, and passes afterwards', async () => {
    await edit((record) => (figuresOf(record)['rmap']['walks'] as number) -= 1);
    const { exitCode, stdout } = await gate('--update');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('is written anew. Against what it was:\nFAIL');
    expect((await gate()).exitCode).toBe(0);
  });

  test('--update leaves a baseline alone of which only the times would be others', async () => {
    const before = await readFile(baseline, 'utf8');
    const { exitCode, stdout } = await gate('--update');
    expect([exitCode, stdout.split('\n').slice(0, 2)]).toEqual([0, [`${baseline} is left as it is.`, 'PASS']]);
    expect(await readFile(baseline, 'utf8')).toBe(before);
  });

  test('--exact repeats a result, and takes no tolerances', async () => {
    expect((await run(['gate', '--exact', baseline])).exitCode).toBe(0);
    const { exitCode, stderr } = await run(['gate', '--exact', baseline, '--config', 'x.json']);
    expect([exitCode, stderr.split('\n')[0]]).toEqual([2, 'foliobench: --exact goes with neither --config nor --update']);
  });

  describe('--result', () => {
    const result = async (change: (record: Editable) => void): Promise<string> => {
      const path = join(folder, 'result.json');
      const record = JSON.parse(await readFile(baseline, 'utf8')) as Editable;
      change(record);
      await writeFile(path, formatRecord(record as unknown as ResultsRecord));
      return path;
    };

    test('judges a record that is there, and runs nothing', async () => {
      const catalogue: Catalogue = { ...fakeCatalogue, run: () => Promise.reject(new Error('nothing is to be run')) };
      const same = await result(() => {});
      const { exitCode, stdout } = await run(['gate', '--baseline', baseline, '--result', same], { catalogue });
      expect([exitCode, stdout.split('\n')[1]]).toEqual([0, expect.stringMatching(/figures of 8 cells: .*result\.json against .*baseline\.json$/)]);
      const worse = await result((record) => (figuresOf(record)['rmap']['walks'] as number) += 1);
      expect((await run(['gate', '--baseline', baseline, '--result', worse], { catalogue })).exitCode).toBe(1);
      expect((await run(['gate', '--exact', baseline, '--result', worse], { catalogue })).exitCode).toBe(1);
    });

    test('never passes where cells are missing, or where it is a part', async () => {
      const part = await result((record) => Object.assign(record, { complete: false, cells: record.cells.slice(0, 3) }));
      const { exitCode, stdout } = await gate('--result', part);
      expect([exitCode, stdout.includes('the new run does not have it')]).toEqual([1, true]);
    });

    test('is not the baseline itself, by whatever name, and goes with nothing that asks for a run', async () => {
      const link = join(folder, 'link.json');
      await symlink(baseline, link);
      for (const same of [baseline, link]) expect((await gate('--result', same)).stderr).toContain(`${same} is the baseline itself`);
      const other = await result(() => {});
      for (const [option, value] of [['--costs', 'fake'], ['--jobs', '2'], ['-o', 'x.json']]) {
        const { exitCode, stderr } = await gate('--result', other, option, value);
        expect([exitCode, stderr.split('\n')[0]]).toEqual([2, `foliobench: --result does not go with ${option}`]);
      }
    });
  });

  test('needs something to compare with', async () => {
    const { exitCode, stderr } = await run(['gate']);
    expect([exitCode, stderr.split('\n')[0]]).toEqual([2, 'foliobench: gate needs --baseline FILE or --exact FILE, one of them']);
  });

  test('that is interrupted says nothing and compares nothing', async () => {
    const { exitCode, stdout } = await run(['gate', '--baseline', baseline], { interrupts: true });
    expect([exitCode, stdout]).toEqual([130, '']);
  });

  test('annotates the line of the cell, and writes a job summary, where the environment is that of GitHub Actions', async () => {
    const summaryFile = join(folder, 'summary.md');
    await writeFile(summaryFile, 'of an earlier step\n');
    await edit((record) => (figuresOf(record)['rmap']['walks'] as number) -= 1);
    const line = (await readFile(baseline, 'utf8')).split('\n').findIndex((text) => text.includes('"policy":"sigbus-on-fault"')) + 1;
    const ciEnvironment = ciEnvironmentOf({ GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: summaryFile, GITHUB_WORKSPACE: folder });
    const { stdout } = await run(['gate', '--baseline', baseline], { ciEnvironment });
    const [annotation, ...others] = stdout.split('\n').filter((text) => text.startsWith('::'));
    expect(annotation).toMatch(/^::error file=baseline\.json,line=\d+,title=foliobench gate%3A FAIL::sigbus-on-fault .*%0Armap\.walks: \d+ -> \d+ \(\+\d+ %25\)$/);
    expect([annotation.match(/line=(\d+)/)?.[1], others]).toEqual([String(line), []]);
    expect(await readFile(summaryFile, 'utf8')).toMatch(/^of an earlier step\n### foliobench gate: FAIL\n\n```text\nFAIL\n/);
  });

  test('keeps its verdict where the job summary cannot be written, and says so', async () => {
    const { exitCode, stderr } = await run(['gate', '--baseline', baseline], { ciEnvironment: { summaryFile: join(folder, 'none', 'summary.md') } });
    expect([exitCode, stderr]).toEqual([0, expect.stringMatching(/^foliobench: the job summary is not written: ENOENT.*\n$/)]);
  });

  test('says that a folder cannot be written to before it runs anything', async () => {
    const catalogue: Catalogue = { ...fakeCatalogue, run: () => Promise.reject(new Error('nothing is to be run')) };
    const { exitCode, stderr } = await run(['gate', '--baseline', baseline, '-o', join(folder, 'none', 'r.json')], { catalogue });
    expect([exitCode, stderr.split('\n')[0]]).toEqual([2, `foliobench: cannot write ${join(folder, 'none', 'r.json')}`]);
  });

  test('annotates what is about no cell without a line, and tells nothing where nothing is wrong', async () => {
    const ciEnvironment = ciEnvironmentOf({ GITHUB_ACTIONS: 'true' });
    expect((await run(['gate', '--baseline', baseline], { ciEnvironment })).stdout).not.toContain('::');
    await edit((record) => (record.complete = false));
    const { stdout } = await run(['gate', '--baseline', baseline], { ciEnvironment });
    expect(stdout).toContain(`::error file=${baseline},title=foliobench gate%3A FAIL::the baseline is marked as incomplete\n`);
  });

  test('gives its findings as JSON', async () => {
    await edit((record) => (figuresOf(record)['rmap']['walks'] as number) -= 1);
    const { findings } = JSON.parse((await gate('--format', 'json')).stdout) as { findings: readonly object[] };
    expect(findings).toMatchObject([{ kind: 'fail', metric: 'rmap.walks' }]);
  });

  test.each([
    ['an unknown metric, with the nearest', { bystander: { units: 1 } }, 'did you mean bystanderNs?'],
    ['no amount', { bystanderNs: {} }, 'has neither "percent" nor "units"'],
    ['a negative amount', { bystanderNs: { percent: -1 } }, 'has -1, which is no number from 0'],
    ['a word', { bystanderNs: 3 }, 'has no object with "percent" or "units"'],
    ['another field', { bystanderNs: { pct: 3 } }, 'has an unknown field "pct"'],
  ])('refuses tolerances with %s', async (_name, tolerances, said) => {
    const config = join(folder, 'gate.json');
    await writeFile(config, JSON.stringify({ schema: 'foliobench/gate@1', tolerances }));
    const { exitCode, stderr } = await gate('--config', config);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(said);
  });

  test.each([
    ['no JSON', '{', 'is not JSON'],
    ['another schema', '{"schema":"x","tolerances":{}}', 'its schema is "x"'],
    ['an unknown field', '{"schema":"foliobench/gate@1","tolerances":{},"strict":true}', 'unknown field "strict"'],
    ['no tolerances', '{"schema":"foliobench/gate@1"}', 'its "tolerances" is no object'],
    ['a list', '[]', 'it is no object'],
  ])('refuses a configuration with %s', async (_name, text, said) => {
    const config = join(folder, 'gate.json');
    await writeFile(config, text);
    const { exitCode, stderr } = await gate('--config', config);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(said);
  });

  test('refuses a configuration that is not there', async () => {
    expect((await gate('--config', join(folder, 'none.json'))).stderr).toContain('cannot read');
  });
});

describe('diff', () => {
  test('says what changed between two records, and judges nothing', async () => {
    const other = join(folder, 'other.json');
    await writeFile(other, await readFile(baseline, 'utf8'));
    await edit((record) => (figuresOf(record)['rmap']['walks'] as number) -= 1);
    const { exitCode, stdout } = await run(['diff', baseline, other]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/FAIL: 1 in 1 place\n {2}sigbus-on-fault .*\n {4}rmap\.walks: \d+ -> \d+/);
    expect(JSON.parse((await run(['diff', baseline, other, '--format', 'json'])).stdout)).toMatchObject({ verdict: 'FAIL', cells: 8 });
  });

  test('tells as many cells as it is asked to', async () => {
    const other = join(folder, 'other.json');
    await writeFile(other, await readFile(baseline, 'utf8'));
    await edit((record) => {
      for (const policy of ['sigbus-on-fault', 'refuse-mmap']) (figuresOf(record, policy)['rmap']['walks'] as number) -= 1;
    });
    expect((await run(['diff', baseline, other, '--cells', '1'])).stdout).toContain('  and 1 cells more');
  });
});

describe('report', () => {
  test.each(['table', 'md', 'csv', 'json', 'html', 'lkp'])('shows a record again, as %s, on stdout or in a file', async (format) => {
    const { exitCode, stdout } = await run(['report', baseline, '--format', format]);
    expect(exitCode).toBe(0);
    const file = join(folder, 'report');
    expect((await run(['report', baseline, '--format', format, '-o', file])).stdout).toBe('');
    expect(await readFile(file, 'utf8')).toBe(stdout);
    expect(stdout).toContain('sigbus-on-fault');
  });

  test('as JSON it is the record that was read', async () => {
    expect((await run(['report', baseline, '--format', 'json'])).stdout).toBe(await readFile(baseline, 'utf8'));
  });
});
