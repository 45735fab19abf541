/**
 * The worked examples of CONTRIBUTING, done: its code blocks are put into a copy of the sources, which is built and run.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ResultsRecord, SucceededCell } from '../src/harness/record.ts';
import { figureAt } from '../src/harness/metrics.ts';
import { ROOT, readDocument } from './tools/documents.ts';

const text = readDocument('CONTRIBUTING.md');
const examples = new Map(['A policy that ships', 'A workload', 'An operation'].map((title) => [title, sectionOf(title)]));
const BUILD_MS = 120_000;

/** A copy of what a build needs, in a folder of its own. */
let copy = '';
beforeAll(() => {
  copy = realpathSync(mkdtempSync(path.join(tmpdir(), 'foliobench-')));
  for (const name of ['src', 'results/costs', 'examples', 'litmus', 'package.json']) {
    cpSync(path.join(ROOT, name), path.join(copy, name), { recursive: true, filter: (file) => !file.endsWith('.test.ts') });
  }
  const { compilerOptions } = JSON.parse(readFileSync(path.join(ROOT, 'tsconfig.json'), 'utf8')) as { readonly compilerOptions: object };
  writeFileSync(path.join(copy, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['src/**/*.ts'] }));
  for (const name of ['node_modules', 'traces']) symlinkSync(path.join(ROOT, name), path.join(copy, name), 'dir');
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

describe('the worked example', () => {
  test('of a policy of your own: a module from the template, in under 60 lines, is in every verb without an edit of ours', () => {
    build();
    const own = path.join(copy, 'own');
    mkdirSync(own);
    const section = sectionOf('A policy of your own');
    const [make, ...ask] = commandsOf(section);
    foliobench(make, own);
    for (const [, file, block] of section.matchAll(/^<!-- in your folder: (\S+) -->\n```diff\n([\s\S]*?)^```$/gm)) {
      const module = path.join(own, file);
      const text = block.split(/^@@\n/m).reduce((before, hunk) => applyDiff(before, hunk, file), readFileSync(module, 'utf8'));
      expect(text.split('\n').length).toBeLessThan(60);
      writeFileSync(module, text);
    }
    const [list, explain, compare, race, ofLibrary] = ask;
    const summary = 'as sigbus-on-fault, but LRU batches are drained only';
    // The width of the column is that of the longest name.
    expect(foliobench(list, own).replaceAll(/\s+/g, ' ')).toContain(`drain-at-retry ${summary.replaceAll(/\s+/g, ' ')}`);
    expect(foliobench(explain, own)).toMatch(/^drain-at-retry, check refcount\nAs sigbus-on-fault, but LRU batches[\s\S]* {2}retry\.drain {2,}or retry\.go/);
    const [drains, waits] = cellsOf(compare, own);
    expect(waits.policy).toBe('drain-at-retry');
    const retries = (cell: SucceededCell) => figureAt(cell.deterministic, 'conversions', 'toPrivate', 'retries') ?? 0;
    expect([retries(drains), retries(waits) > 0]).toEqual([0, true]);
    expect(counted(waits, 'lru.drainWork')).toBeGreaterThan(0);
    expect(foliobench(race, own)).toMatch(/check mapped-or-pinned: proved[\s\S]*check refcount: proved[\s\S]*check mapcount: broken[\s\S]*; as expected/);
    expect(foliobench(ofLibrary, own)).toMatch(/gup-fast-pin +proved\nmapped-page +proved\n/);
    expect(ask).toHaveLength(5);
  }, BUILD_MS);

  test('of a policy: two edits give it a row, and it never drains', () => {
    const [command] = follow('A policy that ships');
    const [drains, doesNot] = cellsOf(command);
    expect(doesNot.policy).toBe('without-drain');
    expect(counted(drains, 'lru.drainWork')).toBeGreaterThan(0);
    expect(counted(doesNot, 'lru.drainWork')).toBe(0);
    expect(figureAt(drains.deterministic, 'conversions', 'toPrivate', 'retries')).toBe(0);
    expect(figureAt(doesNot.deterministic, 'conversions', 'toPrivate', 'retries')).toBeGreaterThan(0);
  }, BUILD_MS);

  test('of a workload: two edits make it one, and every access of a well-behaved host succeeds', () => {
    const [command] = follow('A workload');
    const [cell] = cellsOf(command);
    expect(cell.workload).toBe('descending');
    expect(figureAt(cell.deterministic, 'accesses')).toBe(20_000);
    expect(figureAt(cell.deterministic, 'completed')).toBe(20_000);
    expect(figureAt(cell.deterministic, 'conversions', 'toPrivate', 'succeeded')).toBeGreaterThan(0);
  }, BUILD_MS);

  test('of an operation: it is refused without a price, and charged once a page with one', () => {
    const [command] = follow('An operation', (step) => {
      if (step.file !== 'results/costs/published-x86.json') return;
      build();
      const [, quoted = ''] = /^```text\n([\s\S]*?)^```$/m.exec(sectionOf('An operation')) ?? [];
      const parts = quoted.split(/\n|\.\.\./).filter((part) => part !== '');
      expect(parts).toHaveLength(3);
      for (const part of parts) expect(() => foliobench('list costs')).toThrow(part);
    });
    const [plain, scrubs] = cellsOf(command);
    expect(counted(plain, 'page.scrub')).toBe(0);
    expect(counted(scrubs, 'page.scrub')).toBe(figureAt(scrubs.deterministic, 'conversions', 'toShared', 'pages'));
    expect(counted(scrubs, 'page.scrub')).toBeGreaterThan(0);
  }, BUILD_MS);
});

describe('the edits', () => {
  test('stand under one of the three examples, each in a block of its own', () => {
    const marked = [...text.matchAll(/^<!-- (?:new file|edit): /gm)].length;
    expect([...examples.values()].flatMap(editsOf)).toHaveLength(marked);
    expect(marked).toBe(12);
  });
  test('are refused where the text around them is not in the file', () => {
    expect(() => applyDiff('a\nb\n', ' a\n+x\n c\n', 'f')).toThrow('f does not have');
    expect(applyDiff('a\nb\n', ' a\n+x\n b\n', 'f')).toBe('a\nx\nb\n');
  });
});

interface Edit {
  readonly file: string;
  readonly kind: 'new file' | 'edit';
  readonly block: string;
}

function sectionOf(title: string): string {
  const [, section = ''] = text.split(`### ${title}\n`);
  return section.split(/^### /m)[0];
}

function editsOf(section: string): readonly Edit[] {
  const found = section.matchAll(/^<!-- (new file|edit): (\S+) -->\n```\w+\n([\s\S]*?)^```$/gm);
  return [...found].map(([, kind, file, block]) => ({ kind: kind as Edit['kind'], file, block }));
}

/** Does what an example says, then builds. @returns its commands */
function follow(title: string, before: (edit: Edit) => void = () => {}): readonly string[] {
  const section = examples.get(title) ?? '';
  for (const edit of editsOf(section)) {
    before(edit);
    const file = path.join(copy, edit.file);
    if (edit.kind === 'new file' && existsSync(file)) throw new Error(`${edit.file} is not new`);
    writeFileSync(file, edit.kind === 'new file' ? edit.block : applyDiff(readFileSync(file, 'utf8'), edit.block, edit.file));
  }
  build();
  return commandsOf(section);
}

const commandsOf = (section: string): readonly string[] => [...section.matchAll(/^foliobench (.*)$/gm)].map(([, words]) => words);

/** The lines of a diff without its `+` lines must be in the file, once. */
function applyDiff(before: string, diff: string, file: string): string {
  const lines = diff.split('\n').filter((line) => line !== '');
  const side = (mark: string) => lines.filter((line) => line[0] === ' ' || line[0] === mark).map((line) => `${line.slice(1)}\n`).join('');
  const places = before.split(side('-')).length - 1;
  if (places !== 1) throw new Error(`${file} does not have these lines once, but ${places} times:\n${side('-')}`);
  return before.replace(side('-'), () => side('+'));
}

function build(): void {
  const compiler = path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  execFileSync(process.execPath, [compiler, '-p', copy], { encoding: 'utf8' });
}

function foliobench(words: string, cwd = copy): string {
  return execFileSync(process.execPath, [path.join(copy, 'dist/src/cli/main.js'), ...words.split(' ')], { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function cellsOf(words: string, cwd = copy): readonly SucceededCell[] {
  const { cells } = JSON.parse(foliobench(`${words} --jobs 1 --format json`, cwd)) as ResultsRecord;
  expect(cells.filter(({ status }) => status !== 'ok')).toEqual([]);
  return cells as readonly SucceededCell[];
}

function counted({ deterministic }: SucceededCell, operation: string): number {
  return (deterministic.operations as Readonly<Record<string, number>>)[operation] ?? 0;
}
