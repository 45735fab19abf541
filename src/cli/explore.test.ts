import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Ajv } from 'ajv';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fakeCatalogue } from '../../test/tools/fakeCatalogue.ts';
import { createLocalExplorationRunner } from '../../test/tools/localExplorationRunner.ts';
import { createLocalRunner } from '../../test/tools/localRunner.ts';
import { guestAlone, pinRace } from '../../test/tools/litmusText.ts';
import { explorablePolicies } from '../harness/litmusFiles.ts';
import { hashSources, type Sources } from '../harness/sources.ts';
import type { VerdictsRecord } from '../harness/verdicts.ts';
import { verdictsSchema } from '../harness/verdictsSchema.ts';
import { formatExplorationProgress } from './explorationProgress.ts';
import { runCommandLine } from './program.ts';

/** A package with a small library, and a folder of a user's files. */
let folder = '';
const inFolder = (name: string) => path.join(folder, name);
const own = (name: string) => inFolder(`own/${name}.litmus.yaml`);
const LIBRARY: Readonly<Record<string, string>> = {
  alone: guestAlone({ name: 'alone', more: ['policies: [sigbus-on-fault]', 'checks: [refcount]'] }),
  race: pinRace({ name: 'race', more: ['policies: [lower-bound, sigbus-on-fault]', 'checks: [refcount]'], expect: [`'*': proved`, 'lower-bound: broken'] }),
};

async function put(name: string, text: string): Promise<void> {
  await mkdir(path.dirname(inFolder(name)), { recursive: true });
  await writeFile(inFolder(name), text);
}

/** What a build would have written for the library as it is now. */
async function build(policyText = 'text of the policy'): Promise<Sources> {
  const litmus = new Map(await Promise.all(Object.keys(LIBRARY).map(async (name) => [name, await readFile(inFolder(`package/litmus/${name}.litmus.yaml`), 'utf8')] as const)));
  const sources = hashSources({
    sources: new Map([['src/policies/p.ts', policyText]]),
    litmus,
    policyFiles: new Map(explorablePolicies.map(({ name }) => [name, { file: 'src/policies/p.ts', family: 'conversion' }])),
    isExploredUnder: () => true,
  });
  await put('package/dist/sources.json', JSON.stringify(sources));
  return sources;
}

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'foliobench-'));
  for (const [name, text] of Object.entries(LIBRARY)) await put(`package/litmus/${name}.litmus.yaml`, text);
  await put('package/results/README.md', 'results');
  await put('own/mine.litmus.yaml', pinRace({ name: 'mine' }));
  await build();
});
afterEach(() => rm(folder, { recursive: true }));

interface Surroundings {
  readonly isTTY?: boolean;
  /** Presses Ctrl-C when this many cells have begun. */
  readonly interruptAfter?: number;
  /** The path of a file that takes its worker with it. */
  readonly loses?: string;
}

async function run(words: readonly string[], { isTTY = false, interruptAfter = Infinity, loses }: Surroundings = {}) {
  const outcome = { exitCode: 0, stdout: '', stderr: '' };
  let interrupt = () => {};
  let begun = 0;
  let nowMs = 0;
  await runCommandLine(words, {
    catalogue: fakeCatalogue,
    version: '1.0.0',
    environment: { node: 'v20.19.0', platform: 'linux', arch: 'x64', cpuModel: 'none', cpus: 2, kernel: '6.1' },
    createRunner: () => createLocalRunner(fakeCatalogue),
    createExplorationRunner(options) {
      const runner = createLocalExplorationRunner(options);
      return { ...runner, run: (task) => {
        if (++begun > interruptAfter) interrupt();
        return task.path === loses ? Promise.reject(new Error('Worker terminated due to reaching memory limit')) : runner.run(task);
      } };
    },
    packageFolder: inFolder('package'),
    ciEnvironment: {},
    runProgram: () => Promise.reject(new Error('no other program')),
    stdout: { write: (text) => void (outcome.stdout += text) },
    stderr: { write: (text) => void (outcome.stderr += text), isTTY },
    nowMs: () => (nowMs += 1000),
    onInterrupt(callback) {
      interrupt = callback;
      return () => {
        interrupt = () => {};
      };
    },
    setExitCode: (code) => void (outcome.exitCode = code),
  });
  return { ...outcome, stdout: outcome.stdout.replaceAll(folder, ''), stderr: outcome.stderr.replaceAll(folder, '') };
}
const explore = (line: string, surroundings: Surroundings = {}) => run(['explore', ...line.split(' ').filter((word) => word !== '')], surroundings);
const ONE = '--policy sigbus-on-fault --check refcount';
const readRecord = async (name: string) => JSON.parse(await readFile(inFolder(name), 'utf8')) as VerdictsRecord;
const exists = (name: string) => stat(inFolder(name)).then(() => true, () => false);

describe('a file of the user', () => {
  test('is explored under what is named, and ends with 0 as expected', async () => {
    const { exitCode, stdout, stderr } = await explore(`${own('mine')} ${ONE}`);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^mine under sigbus-on-fault, check refcount: proved\n/);
    expect(stdout).toContain('sequentially consistent');
    expect(stdout).toContain('exhaustive');
    expect(stdout).toContain('  as expected\n');
  });

  test('that is not as expected ends with 1, and its counterexample follows with the command that replays it', async () => {
    const { exitCode, stdout } = await explore(`${own('mine')} --policy lower-bound`);
    expect(exitCode).toBe(1);
    expect(stdout).toContain('NOT AS EXPECTED: proved was expected');
    expect(stdout).toContain('violated: no-exposure');
    const command = stdout.replaceAll(/ \\\n\s+/g, ' ').split('\n').find((line) => line.startsWith('replay: ')) ?? '';
    const [, schedule] = /^replay: foliobench explore \/own\/mine\.litmus\.yaml --policy lower-bound --replay '([^']+)'$/.exec(command) ?? [];
    const again = await run(['explore', own('mine'), '--policy', 'lower-bound', '--replay', schedule]);
    expect(again.exitCode).toBe(0);
    // What a search adds stands above: how many states it saw, and that this was not expected.
    const fromViolation = (text: string): string => text.slice(text.indexOf('violated:'));
    expect(fromViolation(again.stdout)).toBe(fromViolation(stdout));
  });

  test('under a policy for which it expects nothing ends with 0 whatever is found', async () => {
    await put('own/silent.litmus.yaml', pinRace({ name: 'silent', expect: ['sigbus-on-fault: proved'] }));
    const { exitCode, stdout } = await explore(`${own('silent')} --policy lower-bound`);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('violated: no-exposure');
    expect(stdout).not.toContain('xpected');
  });

  test('that is bounded where it should be proved ends with 3', async () => {
    const { exitCode, stdout } = await explore(`${own('mine')} ${ONE} --max-states 10`);
    expect(exitCode).toBe(3);
    expect(stdout).toContain('bounded to 10 states');
  });

  test('gives the same verdict without reductions, over more states', async () => {
    const states = async (more: string) => Number(/(\d+) states/.exec((await explore(`${own('mine')} ${ONE} ${more}`)).stdout)?.[1]);
    const [all, some, none] = [await states(''), await states('--reductions merge'), await states('--reductions none')];
    expect(all).toBeLessThan(some);
    expect(some).toBeLessThan(none);
    expect((await explore(`${own('mine')} ${ONE} --reductions none`)).exitCode).toBe(0);
  });

  test('is told as JSON, without steps, or with --show with all of them', async () => {
    const recordOf = async (more: string) => JSON.parse((await explore(`${own('mine')} --policy lower-bound --format json ${more}`)).stdout) as VerdictsRecord;
    const [{ counterexample }] = (await recordOf('')).verdicts;
    const [{ counterexample: shown }] = (await recordOf('--show')).verdicts;
    expect(counterexample).toMatchObject({ rule: 'no-exposure', schedule: expect.stringMatching(/^(?:vcpu|host)/), length: expect.any(Number) });
    expect(counterexample).not.toHaveProperty('steps');
    expect(shown).toMatchObject({ steps: { length: counterexample?.length } });
  });

  test('is drawn where there is one counterexample, and only then', async () => {
    expect((await explore(`${own('mine')} --policy lower-bound --format mermaid`)).stdout).toMatch(/^sequenceDiagram\n/);
    expect(await explore(`${own('mine')} ${ONE} --format mermaid`)).toMatchObject({ exitCode: 2, stdout: '', stderr: expect.stringContaining('there is none to show') });
    expect(await explore(`${own('mine')} --policy all --check mapcount --format mermaid`)).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/there are \d\n/) });
  });

  test('that cannot be explored fails alone, with words and 1', async () => {
    await put('own/wide.litmus.yaml', pinRace({ name: 'wide' }));
    const { exitCode, stdout } = await explore(`${own('mine')} ${own('wide')} ${ONE}`, { loses: own('wide') });
    expect(exitCode).toBe(1);
    expect(stdout).toContain('mine under sigbus-on-fault, check refcount: proved');
    expect(stdout.replaceAll('\n  ', ' ')).toContain(
      '1 of 2 cells failed:\n- wide / sigbus-on-fault / refcount: /own/wide.litmus.yaml:4: more states than memory; Worker terminated due to reaching memory limit;',
    );
  });
});

describe('the library', () => {
  test('is explored as its files say, and shows counterexamples only where asked', async () => {
    const { exitCode, stdout } = await explore('');
    expect(exitCode).toBe(0);
    expect(stdout).not.toContain('violated');
    expect(stdout).toContain('3 cells');
    expect((await explore('--show')).stdout).toContain('violated: no-exposure');
    expect((await explore('race --policy lower-bound')).stdout).toContain("replay: foliobench explore race --policy lower-bound --replay '");
  });

  test('writes the record of its verdicts', async () => {
    expect(await explore(`-o ${inFolder('v.json')} --quiet`)).toEqual({ exitCode: 0, stdout: '', stderr: '' });
    const { schema, complete, sources, litmus, verdicts } = await readRecord('v.json');
    expect([schema, complete, Object.keys(sources).sort(), Object.keys(litmus)]).toEqual(['foliobench/verdicts@1', true, ['lower-bound', 'sigbus-on-fault'], ['alone', 'race']]);
    expect(verdicts.map(({ litmus: name, policy, verdict }) => `${name} ${policy} ${verdict}`)).toEqual(['alone sigbus-on-fault proved', 'race lower-bound broken', 'race sigbus-on-fault proved']);
  });

  test('writes what the published schema accepts, with steps and without, failed cells too', async () => {
    const schema = verdictsSchema();
    expect(JSON.parse(await readFile(new URL('../../schema/verdicts-1.schema.json', import.meta.url), 'utf8')), 'npm run schema').toEqual(schema);
    const accepts = new Ajv({ allowUnionTypes: true }).compile(schema);
    for (const more of ['', '--show', '--max-states 5']) {
      const record: unknown = JSON.parse((await explore(`race --format json ${more}`)).stdout);
      expect(accepts(record), JSON.stringify(accepts.errors)).toBe(true);
    }
    const failed: unknown = JSON.parse((await explore('race --format json', { loses: 'litmus/race.litmus.yaml' })).stdout);
    expect(accepts(failed), JSON.stringify(accepts.errors)).toBe(true);
    expect(failed).toMatchObject({ verdicts: [], failed: { length: 2 } });
    expect(accepts({ ...(failed as object), more: 1 })).toBe(false);
  });

  test('gives the same bytes whatever the number of jobs', async () => {
    for (const jobs of ['1', '3']) await explore(`--jobs ${jobs} --quiet -o ${inFolder(`${jobs}.json`)}`);
    expect(await readFile(inFolder('3.json'), 'utf8')).toBe(await readFile(inFolder('1.json'), 'utf8'));
  });

  test('has its questions in the list', async () => {
    expect((await run(['list', 'litmus'])).stdout).toBe('alone  Does a guest read what it wrote?\nrace   Does a fast pin survive the conversion of its page?\n');
  });

  test('that is interrupted prints what it has, marks it, and ends with 130', async () => {
    const { exitCode, stdout } = await explore(`--jobs 1 -o ${inFolder('v.json')}`, { interruptAfter: 1 });
    expect(exitCode).toBe(130);
    expect(stdout).toContain('interrupted: incomplete, 2 of 3 cells were not explored\n');
    expect(await readRecord('v.json')).toMatchObject({ complete: false, verdicts: { length: 1 } });
  });

  test('shows progress on a terminal only', async () => {
    const { stderr } = await explore('--jobs 1', { isTTY: true });
    const lines = stderr.split('\r\u001B[K').map((line) => line.replace(/; .*/, ''));
    // A search says how far it is too.
    expect(lines.filter((line, at) => line !== lines[at - 1])).toEqual(['', '0 of 3 cells', '1 of 3 cells', '2 of 3 cells', '3 of 3 cells', '']);
    expect((await explore('')).stderr).toBe('');
  });
});

describe('the committed verdicts', () => {
  const committed = 'package/results/verdicts.json';
  const change = async (parts: object) => {
    const record = await readRecord(committed);
    await put(committed, JSON.stringify({ ...record, verdicts: record.verdicts.map((verdict) => (verdict.litmus === 'alone' ? { ...verdict, ...parts } : verdict)) }));
  };

  test('are written by --update, and a run that finds the same says nothing of them', async () => {
    expect(await explore('--update --quiet')).toEqual({ exitCode: 0, stdout: '', stderr: '3 verdicts written to results/verdicts.json\n' });
    const record = await readRecord(committed);
    expect(record).toMatchObject({ complete: true, verdicts: { length: 3 } });
    expect(Object.keys(record.verdicts[1])).toEqual(['family', 'litmus', 'policy', 'check', 'verdict', 'safety', 'liveness', 'exhaustive', 'states', 'transitions', 'depth', 'counterexample']);
    const accepts = new Ajv({ allowUnionTypes: true }).compile(verdictsSchema());
    expect(accepts(record), JSON.stringify(accepts.errors)).toBe(true);
    const { exitCode, stdout } = await explore('--exact');
    expect([exitCode, stdout.includes('differ')]).toEqual([0, false]);
  });

  test('that were others end the run with 1', async () => {
    await explore('--update --quiet');
    await change({ verdict: 'refuses' });
    const { exitCode, stdout } = await explore('');
    expect(exitCode).toBe(1);
    expect(stdout).toContain('\n1 of 3 cells differs from the record:\n- alone under sigbus-on-fault, check refcount: recorded refuses, found proved\n');
    expect((await explore('--update --quiet')).exitCode).toBe(0);
    expect((await explore('')).exitCode).toBe(0);
  });

  test('with other numbers are told, and fail with --exact only', async () => {
    await explore('--update --quiet');
    await change({ states: 1 });
    const { exitCode, stdout } = await explore('');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/- alone under sigbus-on-fault, check refcount: states 1 -> \d+\n/);
    expect((await explore('--exact')).exitCode).toBe(1);
    expect((await explore('race --exact')).exitCode).toBe(2);
  });

  test('of cells that are gone or new are told; of cells that were not asked for they are not', async () => {
    await explore('--update --quiet');
    await put('package/litmus/alone.litmus.yaml', guestAlone({ name: 'alone', more: ['policies: [split-4k]', 'checks: [refcount]'] }));
    const { stdout } = await explore('');
    expect(stdout).toContain('- alone under sigbus-on-fault, check refcount: proved in the record, not explored\n');
    expect(stdout).toContain('- alone under split-4k, check refcount: found proved, not in the record\n');
    expect((await explore('--policy lower-bound --check refcount')).stdout).not.toContain('not explored');
  });

  test('are not written by a run that is not as expected, was interrupted, or has other texts than the build', async () => {
    await put('package/litmus/alone.litmus.yaml', guestAlone({ name: 'alone', expect: [`'*': broken`], more: ['policies: [sigbus-on-fault]', 'checks: [refcount]'] }));
    expect(await explore('--update --quiet')).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('litmus/alone.litmus.yaml has changed since') });
    await build();
    expect(await explore('--update --quiet')).toMatchObject({ exitCode: 1, stderr: 'foliobench: results/verdicts.json was not updated: a cell failed or is not as expected\n' });
    await put('package/litmus/alone.litmus.yaml', LIBRARY.alone);
    await build();
    expect(await explore('--update --quiet --jobs 1', { interruptAfter: 1 })).toMatchObject({ exitCode: 130, stderr: 'foliobench: results/verdicts.json was not updated: cells are missing\n' });
    expect(await exists(committed)).toBe(false);
  });

  test('that are damaged are a mistake, which --update mends', async () => {
    await put(committed, '{');
    expect(await explore('')).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('results/verdicts.json is damaged') });
    expect((await explore('--update --quiet')).exitCode).toBe(0);
    expect((await explore('')).exitCode).toBe(0);
  });

  test('are what the safe column of compare says, until the sources change', async () => {
    const safe = async () => {
      const { stdout } = await run(['compare', '--workload', 'zipf']);
      return Object.fromEntries(stdout.split('\n').flatMap((line) => {
        const [, name, word] = /^(null|lower-bound|sigbus-on-fault|refuse-mmap) .*(proved|broken|stale|not checked)\b/.exec(line) ?? [];
        return name === undefined ? [] : [[name, word]];
      }));
    };
    expect(await safe()).toEqual({ 'null': 'not checked', 'lower-bound': 'not checked', 'sigbus-on-fault': 'not checked', 'refuse-mmap': 'not checked' });
    await explore('--update --quiet');
    expect(await safe()).toEqual({ 'null': 'not checked', 'lower-bound': 'not checked', 'sigbus-on-fault': 'proved', 'refuse-mmap': 'not checked' });
    await build('another text of the policy');
    expect(await safe()).toMatchObject({ 'sigbus-on-fault': 'stale', 'refuse-mmap': 'not checked' });
    await put(committed, '{');
    expect(await safe()).toMatchObject({ 'sigbus-on-fault': 'not checked' });
  });
});

describe('misuse ends with 2 and one message', () => {
  test.each<[words: readonly string[], message: string]>([
    [['nothing'], 'unknown litmus "nothing"\n  why: neither the library has that name nor is there such a file'],
    [['rac'], 'unknown litmus "rac"\n  why: the nearest known are race'],
    [['race', '--policy', 'sigbus'], 'unknown policy "sigbus"\n  why: the nearest known are sigbus-on-fault'],
    [['race', '--check', 'pins'], 'unknown check "pins"\n  why: known are mapcount, mapped-or-pinned, refcount'],
    [['race', '--max-states', '0'], '"0" is too few'],
    [['race', '--reductions', 'all'], '"all" is none of merge, symmetry, movers'],
    [['race', '--format', 'html'], '"html" is none of table, md, json, mermaid'],
    [['race', '--update'], '--update does not go with litmus files\n'],
    [['--policy', 'all', '--max-states', '5', '--update'], '--update does not go with --policy and --max-states\n'],
    [['--exact', '--reductions', 'none'], '--exact does not go with --reductions\n'],
    [['race', '--replay', 'host', '--max-states', '5'], '--replay does not go with --max-states\n'],
    [['race', '--replay', 'host'], '--replay follows one cell, and these are 2\n'],
    [['race', '--policy', 'lower-bound', '--replay', 'nobody*3'], '"nobody*3" is no part of a schedule'],
    [['race', '--policy', 'lower-bound', '--replay', 'host*900'], 'the schedule cannot be followed: "host*900"'],
    [['race', '-o', '/no/such/folder/v.json'], 'cannot write /no/such/folder/v.json'],
  ])('foliobench explore %j', async (words, message) => {
    const { exitCode, stdout, stderr } = await run(['explore', ...words]);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toContain(`foliobench: ${message}`);
  });

  test('a library without files', async () => {
    await rm(inFolder('package/litmus'), { recursive: true });
    expect(await explore('')).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('there is nothing to explore') });
  });
});

describe('the line of progress', () => {
  const progress = { cells: 154, finished: 12, failed: 0, states: 0, searches: [] };
  test('says how many cells have ended', () => expect(formatExplorationProgress(progress, 1000)).toBe('12 of 154 cells'));
  test('says how far the searches are, and how fast', () => {
    const searches = [{ cell: 1, states: 300_000, transitions: 1, depth: 33, queued: 8000 }, { cell: 2, states: 1, transitions: 1, depth: 12, queued: 100 }];
    expect(formatExplorationProgress({ ...progress, failed: 1, states: 420_000, searches }, 2000)).toBe('12 of 154 cells, 1 failed; 420k states, 210k states/s; searching: depth 33, 8.10k queued');
  });
});
