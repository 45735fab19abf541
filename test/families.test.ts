/** Families beside conversions in every command: a made-up one is added to the lists, and nothing else knows of it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { catalogueOfFamily } from '../src/harness/builtIn.ts';
import type * as HarnessList from '../src/harness/families/list.ts';
import type { ResultsRecord } from '../src/harness/record.ts';
import { resultsSchema } from '../src/harness/schema.ts';
import type * as ReportList from '../src/report/families/list.ts';
import { runWords } from './tools/commandLine.ts';
import { fakeCatalogue } from './tools/fakeCatalogue.ts';
import { ledgerFamily } from './tools/ledgerFamily.ts';

vi.mock('../src/harness/families/list.ts', async (importOriginal) => {
  const { ledgerFacts } = await import('./tools/ledgerFacts.ts');
  const original = await importOriginal<typeof HarnessList>();
  return { families: [...original.families, ledgerFacts] };
});
vi.mock('../src/report/families/list.ts', async (importOriginal) => {
  const { ledgerReport } = await import('./tools/ledgerReport.ts');
  const original = await importOriginal<typeof ReportList>();
  return { familyReports: [...original.familyReports, ledgerReport] };
});

const folder = mkdtempSync(join(tmpdir(), 'foliobench-'));
afterAll(() => rmSync(folder, { recursive: true }));

const catalogue = { ...fakeCatalogue, others: [catalogueOfFamily(ledgerFamily)] };
const run = (line: string) => runWords(line.split(' '), { catalogue, folder });
const file = (name: string) => join(folder, name);
const recordAt = (name: string) => JSON.parse(readFileSync(file(name), 'utf8')) as ResultsRecord;
const withoutMachine = ({ cells, ...record }: ResultsRecord) => ({ ...record, environment: {}, cells: cells.map((cell) => ({ ...cell, wallClock: {} })) });

describe('compare --family', () => {
  test('runs the policies and workloads of the family under its own defaults', async () => {
    const { exitCode, stdout } = await run('compare --family ledger --format json');
    const record = JSON.parse(stdout) as ResultsRecord;
    expect(exitCode).toBe(0);
    expect(record.experiment).toMatchObject({ family: 'ledger', command: 'foliobench compare --family ledger', rows: [{ policy: 'locked', check: null }, { policy: 'unlocked', check: null }] });
    expect(record.experiment.runs).toEqual(['rounds', 'alone'].map((workload) => ({ workload, params: { memoryBytes: 9 * 4096, vcpus: 2, accesses: 60 } })));
    expect(record.cells.map(({ status }) => status)).toEqual(['ok', 'ok', 'ok', 'ok']);
    expect(record.cells[0]).toMatchObject({ deterministic: { sum: 54, lost: 0, pagesMax: 9, operations: { 'pte.set': 54 } } });
    const accepts = new Ajv().compile(resultsSchema());
    expect(accepts(record), JSON.stringify(accepts.errors)).toBe(true);
  });

  test('prints the tables of the family, with its own words under them', async () => {
    const { stdout } = await run('compare --family ledger --workload rounds');
    const lines = stdout.split('\n');
    expect(lines.slice(0, 2)).toEqual(['ledger: how sums are kept', 'workload: rounds']);
    expect(lines.find((line) => line.startsWith('locked'))).toMatch(/^locked +54 +0 /);
    expect(stdout).toContain('\nclerks of ledger\n');
    expect(stdout).toContain('\nrepeat with: foliobench compare --family ledger --workload rounds\n');
    expect(stdout).not.toMatch(/SIGBUS|given up|recorded guest/);
  });

  test('makes a row of each value that is chosen', async () => {
    const { stdout } = await run('compare --family ledger --policy locked --workload alone --choose locked.start=all --format json');
    expect((JSON.parse(stdout) as ResultsRecord).cells.map(({ choices, ...cell }) => [choices?.['start'], cell.status === 'ok' && cell.deterministic['sum']])).toEqual([[undefined, 54], ['one', 63]]);
  });

  test.each([
    ['--family leger', 'there is no family "leger"', 'the nearest known are ledger', '--family'],
    ['--family ledger --dma direct', '--dma does not go with the family ledger', 'its cells have --memory, --vcpus, --accesses', 'leave it away, or leave --family ledger away'],
    ['--family ledger --folio 2M', '--folio does not go with the family ledger', '--memory', 'leave it away'],
    ['--family ledger --check refcount', '--check does not go with the family ledger', 'none of its policies has a reference check', 'leave it away'],
    ['--family ledger --policy refuse-mmap', 'refuse-mmap is a policy of another family', 'it is of conversion, and this is about ledger', 'add --family conversion'],
    ['--policy unlocked', 'unlocked is a policy of another family', 'it is of ledger, and this is about conversion', 'add --family ledger'],
    ['--workload rounds', 'rounds is a workload of another family', 'it is of ledger', 'add --family ledger'],
    ['--family ledger --workload ./a.csv', './a.csv is no workload of the family ledger', 'it has no recorded guests', 'pick among rounds, alone'],
    ['--family ledger --vcpus 999', '--vcpus 999 is out of range', 'from 1 to 128', 'pick one'],
  ])('compare %s is refused: %s', async (words, what, why, fix) => {
    const { exitCode, stderr } = await run(`compare ${words}`);
    expect(exitCode).toBe(2);
    for (const part of [what, why, fix]) expect(stderr).toContain(part);
  });

  test('gives the same record in shards, merged', async () => {
    await run(`compare --family ledger -o ${file('whole.json')} --quiet`);
    for (const part of [1, 2]) await run(`compare --family ledger --shard ${part}/2 -o ${file(`part-${part}.json`)} --quiet`);
    const { exitCode, stdout } = await run(`merge ${file('part-1.json')} ${file('part-2.json')} -o ${file('merged.json')}`);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('how sums are kept');
    expect(withoutMachine(recordAt('merged.json'))).toEqual(withoutMachine(recordAt('whole.json')));
  });
});

describe('other commands on records of the family', () => {
  test.each(['table', 'md', 'csv', 'json'])('report --format %s', async (format) => {
    await run(`compare --family ledger -o ${file('report.json')} --quiet`);
    const { exitCode, stdout } = await run(`report ${file('report.json')} --format ${format}`);
    expect([exitCode, stdout.includes('unlocked')]).toEqual([0, true]);
  });

  test('a csv has the columns of its parameters and its metrics, and of no others', async () => {
    await run(`compare --family ledger -o ${file('csv.json')} --quiet`);
    const [head] = (await run(`report ${file('csv.json')} --format csv`)).stdout.split('\r\n');
    expect(head).toMatch(/^family,policy,check,choices,workload,label,seed,memoryBytes,vcpus,accesses,status,error,accesses,.*,sum,lost,pagesMax,/);
    expect(head).not.toMatch(/dma|toPrivate/);
  });

  test('sweep varies what its cells have, and shows its own figure', async () => {
    const { exitCode, stdout } = await run('sweep --family ledger --vary vcpus=1,2,4 --workload rounds');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('rounds, ledger: addition mean, us');
    expect((await run('sweep --family ledger --vary folio=4K,2M')).stderr).toContain('folio cannot be varied in the family ledger');
    expect((await run('sweep --family ledger --vary vcpus=1,2 --metric conversions.toPrivate.requested')).stderr).toContain('there is no metric "conversions.toPrivate.requested"');
  });

  test('gate passes on the same figures, and fails on others, by the metrics of the family', async () => {
    await run(`compare --family ledger -o ${file('baseline.json')} --quiet`);
    expect((await run(`gate --baseline ${file('baseline.json')}`)).stdout).toMatch(/^PASS\n/);
    const baseline = recordAt('baseline.json');
    const [first, ...cells] = baseline.cells;
    if (first.status !== 'ok') throw new Error(first.error.what);
    const better = { ...first, deterministic: { ...first.deterministic, lost: 3, sum: 57 } };
    writeFileSync(file('baseline.json'), JSON.stringify({ ...baseline, cells: [better, ...cells] }));
    const { exitCode, stdout } = await run(`gate --baseline ${file('baseline.json')}`);
    expect(exitCode).toBe(1);
    expect(stdout).toContain('sum: 57 -> 54');
    expect(stdout).toContain('lost: 3 -> 0 (-100 %)');
  });

  test('list tells families, and of whom a policy or a workload is', async () => {
    expect((await run('list families')).stdout).toMatch(/^ledger +how sums are kept \(by default memory 36KiB, vcpus 2, accesses 60\)$/m);
    expect((await run('list policies')).stdout).toMatch(/^unlocked +ledger: Adds without a lock \(start: zero or one\)$/m);
    expect((await run('list policies --family ledger')).stdout).toBe('locked    Adds under a lock (start: zero or one)\nunlocked  Adds without a lock (start: zero or one)\n');
    expect((await run('list workloads --family ledger')).stdout.split('\n')).toHaveLength(3);
  });

  test('explain plays the scene of the family, step by step, with what was chosen', async () => {
    const { exitCode, stdout } = await run('explain locked --choose locked.start=one');
    expect(exitCode).toBe(0);
    const lines = stdout.split('\n');
    expect(lines.slice(0, 2)).toEqual(['locked, start=one', 'Adds under a lock.']);
    expect(stdout).toContain('- a clerk (1 Jan 2020): it adds up\n');
    expect(stdout).toContain('add: the second clerk adds to page 1\n');
    expect(stdout).not.toContain('it failed');
    expect(lines.find((line) => line.startsWith('(before)'))).toMatch(/^\(before\) +2$/);
    expect(lines.find((line) => line.startsWith('  write '))).toMatch(/^  write +P +3 +0? *pte\.set$/);
    expect(stdout).not.toMatch(/what it answers|both sides of the contract/);
    expect((await run('explain unlocked --format md')).stdout).toContain('| (before) |');
    expect(JSON.parse((await run('explain unlocked --format json')).stdout)).toMatchObject({ family: 'ledger', policy: 'unlocked', parts: [{ name: 'add', before: ['1'], result: 'done' }, { name: 'flush' }] });
  });

  test.each([
    ['unlocked --folio 2M', '--folio does not go with unlocked', 'it is of the family ledger'],
    ['unlocked --format mermaid', 'no diagram of unlocked', 'mermaid draws a conversion'],
    ['unlock --family ledger', 'the family ledger has no policy "unlock"', 'the nearest are unlocked'],
    ['unlocked --choose locked.start=one', '"locked.start=one" chooses for a policy that does not take part', 'these do: unlocked'],
  ])('explain %s is refused: %s', async (words, what, why) => {
    const { exitCode, stderr } = await run(`explain ${words}`);
    expect(exitCode).toBe(2);
    for (const part of [what, why]) expect(stderr).toContain(part);
  });
});
