import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fakeCatalogue } from '../../test/tools/fakeCatalogue.ts';
import { packageFolder } from '../harness/packageFolder.ts';
import type { CliContext } from './context.ts';
import { runCommandLine } from './program.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'foliobench-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function make(...words: readonly string[]): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  let [code, stdout, stderr] = [0, '', ''];
  const context = {
    catalogue: fakeCatalogue, packageFolder: packageFolder(), version: '0.0.0',
    stdout: { write: (text: string) => void (stdout += text) },
    stderr: { write: (text: string) => void (stderr += text) },
    setExitCode: (exitCode: number) => void (code = exitCode),
  } as unknown as CliContext;
  await runCommandLine(['new', 'policy', ...words], context);
  return { code, stdout, stderr };
}

test('new policy writes a module and a litmus file with its name in them, and says what to run', async () => {
  const { code, stdout, stderr } = await make('patient-vmm', '--dir', folder);
  expect([code, stderr]).toEqual([0, '']);
  expect((await readdir(folder)).sort()).toEqual(['patient-vmm.litmus.yaml', 'patient-vmm.policy.mjs']);
  const module = await readFile(path.join(folder, 'patient-vmm.policy.mjs'), 'utf8');
  expect([module.includes("name: 'patient-vmm'"), module.includes('my-policy')]).toEqual([true, false]);
  expect(stdout).toContain(`foliobench explore ${path.join(folder, 'patient-vmm.litmus.yaml')} --policy ${path.join(folder, 'patient-vmm.policy.mjs')}`);
});

test('and writes nothing over what is there', async () => {
  await writeFile(path.join(folder, 'mine.policy.mjs'), 'kept');
  const { code, stderr } = await make('mine', '--dir', folder);
  expect(code).toBe(2);
  expect(stderr).toContain('mine.policy.mjs is there already\n  why: nothing is written over');
  expect(await readFile(path.join(folder, 'mine.policy.mjs'), 'utf8')).toBe('kept');
  expect(await readdir(folder)).toEqual(['mine.policy.mjs']);
});

test.each([
  ['a name that is no name', ['My Policy'], 'a policy cannot be named "My Policy"'],
  ['the name of a policy that ships', ['sigbus-on-fault'], 'a policy cannot be named "sigbus-on-fault"'],
  ['a folder that is not there', ['mine', '--dir', '/no/such/folder'], 'cannot write to /no/such/folder'],
])('%s is refused, with the reason', async (_what, words, complaint) => {
  const { code, stdout, stderr } = await make(...words);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toContain(`foliobench: ${complaint}\n  why: `);
});
