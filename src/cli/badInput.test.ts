/** What every verb that reads a record says to a file that is none: one message with what, why and how to fix it, exit code 2, nothing printed and nothing written. */
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { runWords } from '../../test/tools/commandLine.ts';

let whole = '';
beforeAll(async () => {
  const place = await mkdtemp(join(tmpdir(), 'foliobench-'));
  await runWords(['compare', '--workload', 'zipf', '--policy', 'null,sigbus-on-fault', '-o', join(place, 'r.json'), '--quiet'], { folder: place });
  whole = await readFile(join(place, 'r.json'), 'utf8');
  await rm(place, { recursive: true });
});

let folder = '';
let bad = '';
let good = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foliobench-'));
  [bad, good] = [join(folder, 'bad.json'), join(folder, 'good.json')];
  await writeFile(good, whole);
});
afterEach(() => rm(folder, { recursive: true }));

/** Each verb, with `BAD` in every place where it takes a record. */
const COMMANDS = [
  'gate --baseline BAD',
  'gate --exact BAD',
  'gate --baseline GOOD --result BAD',
  'gate --baseline BAD --update',
  'diff BAD GOOD',
  'diff GOOD BAD',
  'report BAD',
  'report BAD --format csv',
  'merge BAD',
  'merge GOOD BAD',
] as const;

const edited = (change: (record: Record<string, unknown> & { cells: Record<string, unknown>[]; experiment: Record<string, unknown> }) => void) => (text: string): string => {
  const record = JSON.parse(text) as Parameters<typeof change>[0];
  change(record);
  return JSON.stringify(record);
};

const RUN_AGAIN = 'run the experiment again with this version of foliobench';
const NEWER = 'a newer foliobench wrote it: read it with that one, or update this one';
const TRUNCATED = 'the file may be truncated: run that part again';
const CONTENTS: readonly (readonly [name: string, content: (text: string) => string, what: string, why: string, fix: string])[] = [
  ['an empty file', () => '', 'BAD is not JSON', 'it is empty', TRUNCATED],
  ['no JSON', () => 'policy,work\n', 'BAD is not JSON', 'Unexpected token', TRUNCATED],
  ['half a file', (text) => text.slice(0, text.length / 2), 'BAD is not JSON', 'JSON', TRUNCATED],
  ['NaN', (text) => text.replace(/"accesses":\d+/, '"accesses":NaN'), 'BAD is not JSON', 'Unexpected token', TRUNCATED],
  ['a list', () => '[]', 'BAD is not a results record of this version', 'its schema is null, expected "foliobench/results@1"', RUN_AGAIN],
  ['null', () => 'null', 'BAD is not a results record of this version', 'its schema is null', RUN_AGAIN],
  ['another schema', edited((record) => (record['schema'] = 'foliobench/verdicts@1')), 'BAD is not a results record of this version', 'its schema is "foliobench/verdicts@1"', RUN_AGAIN],
  ['an older version', edited((record) => (record['schema'] = 'foliobench/results@0')), 'BAD is not a results record of this version', 'its schema is "foliobench/results@0"', RUN_AGAIN],
  ['a newer version', edited((record) => (record['schema'] = 'foliobench/results@2')), 'BAD is not a results record of this version', 'its schema is "foliobench/results@2"', NEWER],
  ['no cells', edited((record) => delete (record as { cells?: unknown }).cells), 'BAD is damaged', 'it lacks its experiment or its cells', 'run that part again'],
  ['an experiment of null', edited((record) => Object.assign(record, { experiment: null })), 'BAD is damaged', 'it lacks its experiment or its cells', 'run that part again'],
  ['an experiment without rows', edited(({ experiment }) => delete experiment['rows']), 'BAD is damaged', 'its experiment has no rows', 'run that part again'],
  ['an experiment without runs', edited(({ experiment }) => (experiment['runs'] = 7)), 'BAD is damaged', 'its experiment has no runs', 'run that part again'],
  ['a run without parameters', edited(({ experiment }) => (experiment['runs'] = [{ workload: 'zipf' }])), 'BAD is damaged', 'a run of its experiment has no parameters', 'run that part again'],
  ['a row that is none', edited(({ experiment }) => (experiment['rows'] = ['null'])), 'BAD is damaged', 'a row of its experiment is none', 'run that part again'],
  ['an experiment without prices', edited(({ experiment }) => delete experiment['costs']), 'BAD is damaged', 'its experiment has no cost profile', 'run that part again'],
  ['an experiment without its command', edited(({ experiment }) => delete experiment['command']), 'BAD is damaged', 'its experiment has no command', 'run that part again'],
  ['no environment', edited((record) => delete record['environment']), 'BAD is damaged', 'it does not say on which machine it was made', 'run that part again'],
  ['a cell that is none', edited(({ cells }) => cells.splice(1, 1, null as unknown as Record<string, unknown>)), 'BAD is damaged', 'cell 2 of its 2 is none', 'run that part again'],
  ['a cell without figures', edited(({ cells }) => delete cells[0]['deterministic']), 'BAD is damaged', 'cell 1 of its 2 is none', 'run that part again'],
];

/** What the program said, in the words of the table; `why` only as far as it is asked for, since the rest of it may be Node's. */
function mistakeOf({ exitCode, stdout, stderr }: Awaited<ReturnType<typeof runWords>>, why: string): readonly unknown[] {
  const [what, reason = '', fix, ...rest] = stderr.replaceAll(bad, 'BAD').replaceAll(good, 'GOOD').split('\n');
  return [exitCode, stdout, what, reason.startsWith('  why: ') && reason.includes(why) ? why : reason, fix, rest];
}

const mistake = (what: string, why: string, fix: string): readonly unknown[] => [2, '', `foliobench: ${what}`, why, `  fix: ${fix}`, ['']];

const wordsOf = (line: string): readonly string[] => line.split(' ').map((word) => (word === 'BAD' ? bad : word === 'GOOD' ? good : word === 'NOWHERE' ? join(folder, 'none', 'out') : word));

describe.each(COMMANDS)('foliobench %s', (line) => {
  test.each(CONTENTS)('of %s', async (_, content, what, why, fix) => {
    const text = content(whole);
    await writeFile(bad, text);
    expect(mistakeOf(await runWords(wordsOf(line), { folder }), why)).toEqual(mistake(what, why, fix));
    expect([await readFile(bad, 'utf8') === text, (await readdir(folder)).sort()]).toEqual([true, ['bad.json', 'good.json']]);
  });

  test('of a file that is not there, and of a folder', async () => {
    const fix = 'name a record that `foliobench compare -o FILE` wrote';
    expect(mistakeOf(await runWords(wordsOf(line), { folder }), 'no such file')).toEqual(mistake('cannot read BAD', 'no such file', fix));
    await mkdir(bad);
    expect(mistakeOf(await runWords(wordsOf(line), { folder }), 'EISDIR')).toEqual(mistake('cannot read BAD', 'EISDIR', fix));
  });
});

describe('a place that cannot be written to', () => {
  const fix = 'pick another -o FILE, in a folder that exists and that you may write to';
  test.each(['gate --baseline GOOD -o NOWHERE', 'report GOOD -o NOWHERE', 'merge GOOD -o NOWHERE --quiet'])('foliobench %s', async (line) => {
    const outcome = await runWords(wordsOf(line), { folder });
    expect([outcome.exitCode, outcome.stderr.split('\n')[0].replaceAll(folder, 'FOLDER'), outcome.stderr.split('\n')[2]]).toEqual([2, 'foliobench: cannot write FOLDER/none/out', `  fix: ${fix}`]);
  });

  test('a record is never written over a device, and a bad name is told before anything is run', async () => {
    await symlink('/dev/null', bad);
    for (const line of ['gate --baseline GOOD -o BAD', 'report GOOD -o BAD', 'merge GOOD -o BAD']) {
      expect(mistakeOf(await runWords(wordsOf(line), { folder }), 'it is a device or a pipe')).toEqual(mistake('cannot write BAD', 'it is a device or a pipe', 'name a file, or print the record with --format json'));
    }
  });
});

describe('records of the bench, for diff', () => {
  const measurement = { figure: 'f', unit: 'steps/s', better: 'more', value: 1, low: 1, high: 1, samples: 1, byWallClock: null, target: null };
  const bench = { schema: 'foliobench/bench@1', tool: { version: '1' }, environment: {}, quick: false, cases: [{ name: 'c', measurements: [measurement] }] };
  const MEASURE = 'measure again: npm run bench -- -o FILE';

  test.each<readonly [string, object, string, string, string]>([
    ['of another version', { ...bench, schema: 'foliobench/bench@2' }, 'BAD is not a bench record of this version', 'its schema is "foliobench/bench@2"', 'measure again with this version: npm run bench -- -o FILE'],
    ['without cases', { ...bench, cases: undefined }, 'BAD is damaged', 'it lacks its cases or its environment', MEASURE],
    ['without measurements', { ...bench, cases: [{ name: 'c' }] }, 'BAD is damaged', 'case c has no measurements', MEASURE],
    ['with a figure twice', { ...bench, cases: [{ name: 'c', measurements: [measurement, measurement] }] }, 'BAD is damaged', 'it has "f" twice', MEASURE],
    ['with a figure that is none', { ...bench, cases: [{ name: 'c', measurements: [{ ...measurement, value: null }] }] }, 'BAD is damaged', '"f" is null between 1 and 1', MEASURE],
  ])('%s', async (_, content, what, why, fix) => {
    await writeFile(bad, JSON.stringify(content));
    await writeFile(good, JSON.stringify(bench));
    expect(mistakeOf(await runWords(['diff', bad, good], { folder }), why)).toEqual(mistake(what, why, fix));
  });

  test('do not go with those of compare', async () => {
    await writeFile(bad, JSON.stringify(bench));
    expect(mistakeOf(await runWords(['diff', bad, good], { folder }), 'its schema is "foliobench/results@1"')).toEqual(mistake('GOOD is not a bench record of this version', 'its schema is "foliobench/results@1"', 'measure again with this version: npm run bench -- -o FILE'));
  });
});
