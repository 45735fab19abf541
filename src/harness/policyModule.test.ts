import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UserError } from '../model/userError.ts';
import { hashModule, importPolicies, learnExports, refuseUnlessModule } from './policyModule.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'foliobench-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function moduleOf(text: string, name = 'my.policy.mjs'): Promise<string> {
  const file = path.join(folder, name);
  await writeFile(file, text);
  return file;
}

/** What the user would be told; undefined where nothing is wrong. */
async function complaintOf(act: () => unknown): Promise<string | undefined> {
  try {
    await act();
    return undefined;
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}

describe('a file is refused before it is read', () => {
  test('where there is none, where it is a folder, and where its name is of no module', async () => {
    await mkdir(path.join(folder, 'folder.mjs'));
    expect(await complaintOf(() => refuseUnlessModule(path.join(folder, 'none.mjs')))).toContain('there is no such file');
    expect(await complaintOf(() => refuseUnlessModule(path.join(folder, 'folder.mjs')))).toContain('it is no file');
    const json = await moduleOf('{}', 'policy.json');
    expect(await complaintOf(() => refuseUnlessModule(json))).toContain('its name ends in ".json"');
  });

  test('where it is TypeScript and this Node does not strip types', async () => {
    const file = await moduleOf('export default {}', 'policy.ts');
    const { typescript } = process.features as { readonly typescript?: string | false };
    const strips = typescript !== undefined && typescript !== false;
    expect((await complaintOf(() => refuseUnlessModule(file)))?.includes('npx tsc') ?? false).toBe(!strips);
  });

  test('and taken where it is a module', async () => {
    const file = await moduleOf('');
    expect(await complaintOf(() => refuseUnlessModule(file))).toBeUndefined();
  });
});

describe('the hash of a module', () => {
  test('follows what it imports by relative paths, however deep and in a circle, and nothing else', async () => {
    await moduleOf("import './my.policy.mjs'; export const price = 1;", 'inner.mjs');
    await moduleOf("import './inner.mjs';", 'outer.mjs');
    const file = await moduleOf("import './outer.mjs'; import './missing.mjs'; import 'node:fs';");
    const before = hashModule(file);
    await moduleOf('', 'unrelated.mjs');
    expect(hashModule(file)).toBe(before);
    await moduleOf("import './my.policy.mjs'; export const price = 2;", 'inner.mjs');
    expect(hashModule(file)).not.toBe(before);
  });

  test('is that of its text and not of its place', async () => {
    const text = 'export default 1;';
    const here = await moduleOf(text);
    await mkdir(path.join(folder, 'there'));
    expect(hashModule(here)).toBe(hashModule(await moduleOf(text, path.join('there', 'my.policy.mjs'))));
  });

  test('needs the module itself', async () => {
    expect(await complaintOf(() => hashModule(path.join(folder, 'none.mjs')))).toContain('cannot read');
  });
});

describe('a module is imported', () => {
  test('and what it says is a policy is checked: the members that are missing are named', async () => {
    await learnExports();
    const calls: string[] = [];
    const file = await moduleOf("export default { name: 'mine' };");
    expect(await complaintOf(() => importPolicies(file, (what) => calls.push(what)))).toContain(file);
    expect(calls[0]).toBe('the module');
  });

  test('or what is wrong with it is told: it throws, it imports what is not there, it exports nothing', async () => {
    const throws = await moduleOf("throw new Error('of its own');", 'throws.mjs');
    expect(await complaintOf(() => importPolicies(throws))).toMatch(/throws while it is loaded\n {2}why: .*of its own/);
    const lost = await moduleOf("import './nowhere.mjs';", 'lost.mjs');
    expect(await complaintOf(() => importPolicies(lost))).toContain('imports what is not there');
    const empty = await moduleOf('export const other = 1;', 'empty.mjs');
    expect(await complaintOf(() => importPolicies(empty))).toContain('it exports other by name');
  });
});
