import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { guestAlone, pinRace } from '../../test/tools/litmusText.ts';
import { UserError } from '../model/userError.ts';
import { readKnown, readLibrary, readLitmusFiles } from './litmusFiles.ts';

/** A package with two litmus files in its library, and beside it a user's folder with two of its own. */
let folder = '';
const packaged = () => path.join(folder, 'package');
const own = (name = '') => path.join(folder, 'own', name);
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'foliobench-'));
  for (const [file, text] of [
    ['package/litmus/conversion/race.litmus.yaml', pinRace({ name: 'race' })],
    ['package/litmus/conversion/alone.litmus.yaml', guestAlone({ name: 'alone' })],
    ['package/litmus/README.md', 'the language'],
    ['own/mine.litmus.yaml', pinRace({ name: 'mine' })],
    ['own/deeper/second.litmus.yaml', pinRace({ name: 'second' })],
    ['own/notes.yaml', 'no litmus file by its name'],
  ]) {
    await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
    await writeFile(path.join(folder, file), text);
  }
});
afterEach(() => rm(folder, { recursive: true }));

async function mistakeOf(reading: Promise<unknown>): Promise<Pick<UserError, 'what' | 'why' | 'fix'>> {
  const error = await reading.catch((caught: unknown) => caught);
  if (!(error instanceof UserError)) throw new Error(`no mistake: ${String(error)}`);
  return { what: error.what.replaceAll(folder, ''), why: error.why, fix: error.fix };
}
const read = (...words: readonly string[]) => readLitmusFiles(words, packaged());

describe('the library', () => {
  test('is read by name, with paths from the package on', async () => {
    expect((await readLibrary(packaged())).map(({ word, path: shown, isOfLibrary, litmus }) => [word, shown, isOfLibrary, litmus.name])).toEqual([
      ['alone', 'litmus/conversion/alone.litmus.yaml', true, 'alone'],
      ['race', 'litmus/conversion/race.litmus.yaml', true, 'race'],
    ]);
  });
  test('of a package without litmus files is empty', async () => expect(await readLibrary(own())).toEqual([]));
});

describe('what a user names', () => {
  test('is a file of the library, a file, or all litmus files of a folder', async () => {
    expect((await read('race', own())).map(({ word, isOfLibrary }) => [word.replace(folder, ''), isOfLibrary])).toEqual([
      ['race', true],
      ['/own/deeper/second.litmus.yaml', false],
      ['/own/mine.litmus.yaml', false],
    ]);
  });
  test('is read once, however often and by whatever way it is named', async () => {
    const files = await read('race', path.join(packaged(), 'litmus/conversion/race.litmus.yaml'), own('mine.litmus.yaml'), own('deeper/../mine.litmus.yaml'));
    expect(files.map(({ litmus, isOfLibrary }) => [litmus.name, isOfLibrary])).toEqual([['race', true], ['mine', false]]);
  });
  test('may be broken beside a library that is not, and the other way round', async () => {
    await writeFile(path.join(packaged(), 'litmus/conversion/alone.litmus.yaml'), 'broken');
    expect((await read('race')).map(({ litmus }) => litmus.name)).toEqual(['race']);
    expect((await mistakeOf(readLibrary(packaged()))).what).toContain('litmus/conversion/alone.litmus.yaml:1');
  });
});

describe('a mistake', () => {
  test('in a name says which names are near', async () => {
    expect(await mistakeOf(read('rac'))).toEqual({
      what: 'unknown litmus "rac"', why: 'the nearest known are race', fix: 'pick one of `foliobench list litmus`, or name a file or a folder',
    });
  });
  test.each([
    ['own/no.litmus.yaml', 'cannot read /own/no.litmus.yaml', 'there is no such file'],
    ['own/empty', 'there are no litmus files in /own/empty', 'their names end in .litmus.yaml'],
  ])('%s', async (file, what, why) => {
    await mkdir(own('empty'));
    expect(await mistakeOf(read(path.join(folder, file)))).toMatchObject({ what, why });
  });
  test('two files of one name', async () => {
    await writeFile(own('race.litmus.yaml'), pinRace({ name: 'race' }));
    expect((await mistakeOf(read('race', own('race.litmus.yaml')))).what).toBe('litmus/conversion/race.litmus.yaml and /own/race.litmus.yaml are both named race');
  });
});

describe('a text', () => {
  const mistakeIn = (text: string) => mistakeOf((async () => readKnown(text, 'x.litmus.yaml'))());

  test.each<[name: string, text: string, what: string, why: string]>([
    ['empty', ' \n\n', 'x.litmus.yaml:1: the file is empty', 'a litmus has a name, a question, threads and expectations'],
    ['with an unknown policy', pinRace({ name: 'x', expect: [`'*': proved`, 'sigbus-on-falt: broken'] }), 'x.litmus.yaml:16: unknown policy "sigbus-on-falt"', 'the nearest known are sigbus-on-fault, sigsegv-on-fault'],
    ['with an unknown check', pinRace({ name: 'x', more: ['checks: [recount]'] }), 'x.litmus.yaml:14: unknown check "recount"', 'the nearest known are refcount, mapcount'],
    ['with an unknown sentence', pinRace({ name: 'x', more: ['always: [no-exposur]'] }), 'x.litmus.yaml:14: unknown sentence "no-exposur"', 'the nearest known are no-exposure'],
    ['with a policy that is near to none', pinRace({ name: 'x', more: ['policies: [q]'] }), 'x.litmus.yaml:14: unknown policy "q"', expect.stringContaining('known are null, lower-bound, sigbus-on-fault')],
  ])('%s', async (_, text, what, why) => expect(await mistakeIn(text)).toMatchObject({ what, why }));

  test('that is no YAML names its line', async () => expect((await mistakeIn('name: [a\n  b: c')).what).toMatch(/^x\.litmus\.yaml:\d+: this is not YAML/));
});
