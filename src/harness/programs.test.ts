import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { packageFolder } from './packageFolder.ts';
import { programIn, runProgram } from './programs.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foliobench-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('the program of a folder', () => {
  test('is what its package.json says, here and elsewhere', async () => {
    expect(programIn(packageFolder())).toBe(join(packageFolder(), 'dist/src/cli/main.js'));
    await mkdir(join(folder, 'out'));
    await writeFile(join(folder, 'package.json'), '{ "name": "foliobench", "bin": { "foliobench": "out/main.js" } }');
    await writeFile(join(folder, 'out', 'main.js'), '');
    expect(programIn(folder)).toBe(join(folder, 'out/main.js'));
  });

  test.each([
    ['no package.json', null, /ENOENT/],
    ['one that is no JSON', '{', /JSON/],
    ['one that is null', 'null', /is that of another package/],
    ['that of another package', '{ "name": "other", "bin": { "foliobench": "main.js" } }', /is that of another package/],
    ['nothing built', '{ "name": "foliobench", "bin": { "foliobench": "dist/main.js" } }', /main\.js does not exist/],
  ])('is refused where there is %s', async (_, text, why) => {
    if (text !== null) await writeFile(join(folder, 'package.json'), text);
    expect(() => programIn(folder)).toThrow(expect.objectContaining({ what: `there is no foliobench in ${folder}`, why: expect.stringMatching(why) as unknown }));
  });
});

describe('a run of a program', () => {
  const write = async (text: string): Promise<string> => {
    await writeFile(join(folder, 'main.mjs'), text);
    return join(folder, 'main.mjs');
  };

  test('tells how it ended and what it said', async () => {
    const main = await write(`console.log('dropped'); console.error(process.argv.slice(2).join('+')); process.exitCode = 3;`);
    expect(await runProgram(main, ['a', 'b c'], new AbortController().signal)).toEqual({ code: 3, said: 'a+b c\n', cpuNs: expect.any(Number) as unknown });
  });

  test('tells the CPU time that it took from when its first worker is ready', async () => {
    const spin = 'var end = process.cpuUsage().user + 100_000; while (process.cpuUsage().user < end);';
    const ready = `require('node:worker_threads').parentPort.postMessage('ready');`;
    const cpuMsOf = async (text: string) => ((await runProgram(await write(text), [], new AbortController().signal)).cpuNs ?? 0) / 1e6;
    const worker = (before: string, inside: string) => `import { Worker } from 'node:worker_threads'; ${before} new Worker(${JSON.stringify(inside)}, { eval: true });`;
    expect(await cpuMsOf(spin)).toBeGreaterThan(100); // without any worker
    expect(await cpuMsOf(worker('', `${ready} setTimeout(() => { ${spin} }, 50);`))).toBeGreaterThan(100);
    expect(await cpuMsOf(worker('', `${spin} ${ready}`))).toBeLessThan(100);
    expect(await cpuMsOf(worker(spin, ready))).toBeLessThan(100);
  }, 60_000);

  test('ends at once where it is not wanted any more', async () => {
    const main = await write('setInterval(() => {}, 1000);');
    const abort = new AbortController();
    const end = runProgram(main, [], abort.signal);
    setTimeout(() => abort.abort(), 50);
    expect(await end).toEqual({ code: null, said: '', cpuNs: null });
  });
});
