import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runWords } from '../../test/tools/commandLine.ts';
import { fakeCatalogue } from '../../test/tools/fakeCatalogue.ts';
import type { Explanation } from '../harness/explanation.ts';
import { loadCostProfile } from '../simulate/costs.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'foliobench-'));
});
afterEach(() => rm(folder, { recursive: true }));

const run = (line: string) => runWords(line.split(' '), { folder, catalogue: { ...fakeCatalogue, loadCostProfile, defaultCosts: 'published-x86' } });

const explained = async (line: string) => JSON.parse((await run(`explain ${line} --format json`)).stdout) as Explanation;

describe('explain', () => {
  test('prints a page about one policy', async () => {
    const { exitCode, stdout, stderr } = await run('explain sigbus-on-fault');
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout.split('\n').slice(0, 2)).toEqual([
      'sigbus-on-fault, check refcount',
      'Map anything; a host fault on a private page is SIGBUS; convert only when no unexpected reference remains.',
    ]);
  });

  test('takes the check, the folio, the mappings and the format', async () => {
    const { check, scene, parts } = await explained('folio-mmapped --check mapcount --folio 2M --vmas 3');
    expect(check).toBe('mapcount');
    expect(scene).toContain('512 pages in folios of 2M');
    expect(parts[0].before.hostEntries).toBe(3);
    expect((await run('explain folio-mmapped --format md')).stdout).toMatch(/^# folio-mmapped, check refcount\n/);
    expect((await run('explain folio-mmapped --format mermaid')).stdout).toMatch(/^sequenceDiagram\n/);
  });

  test('tells what no source fixes, and takes another choice, of which nothing is committed', async () => {
    const chosen = await explained('folio-mmapped --choose folio-mmapped.errno=EBUSY');
    expect(chosen.choices.map(({ name, value, default: usual }) => [name, value, usual])).toEqual([['errno', 'EBUSY', 'EPERM'], ['closure', 'backstop', 'backstop']]);
    expect(chosen.answers.find(({ situation }) => situation === 'mmap of a private page')?.answer).toBe('EBUSY');
    const text = (await run('explain folio-mmapped --choose folio-mmapped.errno=EBUSY')).stdout;
    expect(text.split('\n')[0]).toBe('folio-mmapped, check refcount, errno=EBUSY');
    expect(text).toContain('\n- errno: EBUSY, by default EPERM (or --choose folio-mmapped.errno=EPERM): what a conversion');
    expect(text).toContain('\n- refcount: not checked\n');
  });

  test('prices by a profile of the user', async () => {
    const { prices, ...profile } = JSON.parse(JSON.stringify(loadCostProfile('published-x86'))) as { readonly prices: readonly { operation: string; ns: number; lowNs: number; highNs: number; source: string; reference: string }[] };
    const { name, machine, kernel, hypervisor, method, date } = profile as unknown as Record<string, string>;
    const file = path.join(folder, 'mine.json');
    await writeFile(file, JSON.stringify({
      schema: 'foliobench/costs@1', name: `${name}-mine`, machine, kernel, hypervisor, method, date,
      prices: Object.fromEntries(prices.map(({ operation, ns, lowNs, highNs, source, reference }) => [operation, { ns: operation === 'vm.exit' ? 7000 : ns, low: lowNs, high: Math.max(highNs, 7000), source, reference }])),
    }));
    const [published, mine] = [await explained('lower-bound'), await explained(`lower-bound --costs ${file}`)];
    expect(mine.costs.name).toBe('published-x86-mine');
    expect(mine.parts[0].steps[0]).toMatchObject({ operations: { 'vm.exit': 1 }, ns: 7000 });
    expect(mine.parts[0].ns - published.parts[0].ns).toBe(7000 - published.parts[0].steps[0].ns);
  });

  test('knows what is wrong on purpose too', async () => {
    expect((await explained('unmap-without-flush')).argument).toBeNull();
  });

  test('tells the committed verdicts, or that they are stale, or that there are none', async () => {
    const cell = { litmus: 'race', policy: 'sigbus-on-fault', liveness: 'proved', exhaustive: true, states: 1, transitions: 1, depth: 1, counterexample: null };
    const verdicts = [{ ...cell, check: 'mapcount', verdict: 'broken', safety: 'broken' }, { ...cell, check: 'refcount', verdict: 'proved', safety: 'proved' }];
    const record = { schema: 'foliobench/verdicts@1', sources: { 'sigbus-on-fault': 'a'.repeat(16) }, verdicts };
    const told = async (hash: string) => {
      for (const name of ['results', 'dist']) await mkdir(path.join(folder, name), { recursive: true });
      await writeFile(path.join(folder, 'results/verdicts.json'), JSON.stringify(record));
      await writeFile(path.join(folder, 'dist/sources.json'), JSON.stringify({ schema: 'foliobench/sources@1', policies: { 'sigbus-on-fault': hash.repeat(16) }, litmus: {} }));
      return (await run('explain sigbus-on-fault')).stdout.split('\n').slice(-4);
    };
    expect((await explained('sigbus-on-fault')).verdicts.map(({ safe }) => safe)).toEqual(['not checked', 'not checked', 'not checked']);
    expect(await told('a')).toEqual(['- mapcount: broken: race (1 litmus file)', '- mapped-or-pinned: not checked', '- refcount: proved (1 litmus file)', '']);
    expect(await told('b')).toEqual(['- mapcount: stale (1 litmus file)', '- mapped-or-pinned: not checked', '- refcount: stale (1 litmus file)', '']);
  });

  test.each([
    ['explain sigbus-on-falt', 'unknown policy "sigbus-on-falt"\n  why: the nearest known are sigbus-on-fault'],
    ['explain folio-mmapped --choose folio-mmapped.errno=EACCES', 'unknown value "EACCES" of folio-mmapped.errno\n'],
    ['explain folio-mmapped --choose refuse-mmap.errno=EPERM', '"refuse-mmap.errno=EPERM" chooses for a policy that does not take part\n'],
    ['explain all', 'explain takes one policy, and "all" is several\n  why: each has a page of its own'],
    ['explain', 'missing required argument "policy"\n'],
    ['explain null --check refcount', 'null does not take the check refcount\n  why: it has no reference check\n  fix: leave --check away'],
    ['explain sigbus-on-fault --check pins', '"pins" is none of mapcount, mapped-or-pinned, refcount\n'],
    ['explain sigbus-on-fault --format html', '"html" is none of text, md, mermaid, json\n'],
    ['explain sigbus-on-fault --folio 4M', '"4M" is none of 4K, 2M, 1G\n'],
    ['explain sigbus-on-fault --vmas 0', '"0" is too few\n'],
    ['explain sigbus-on-fault --vmas 40000', '80000 mappings are too many\n'],
    ['explain sigbus-on-fault --costs publshed-x86', 'unknown cost profile "publshed-x86"\n'],
  ])('misuse ends with 2: foliobench %s', async (line, message) => {
    const { exitCode, stdout, stderr } = await run(line);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr.slice(0, `foliobench: ${message}`.length)).toBe(`foliobench: ${message}`);
  });
});
