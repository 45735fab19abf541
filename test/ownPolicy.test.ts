/** A policy of the user's own, from a module: the real program in folders where nothing is installed, on threads and in processes. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { readPolicyFiles } from '../src/harness/policyFiles.ts';
import type { FailedCell, ResultsRecord } from '../src/harness/record.ts';
import { resultsSchema } from '../src/harness/schema.ts';
import { UserError } from '../src/model/userError.ts';

vi.setConfig({ testTimeout: 240_000 });

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const MAIN = path.join(ROOT, 'dist/src/cli/main.js');

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'foliobench-own-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const put = (file: string, text: string): void => writeFileSync(path.join(folder, file), text);
const get = (file: string): string => readFileSync(path.join(folder, file), 'utf8');

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The words of a line as a shell takes them. */
const wordsOf = (line: string): readonly string[] => [...line.matchAll(/'([^']*)'|[^ ]+/g)].map(([word, quoted]) => quoted ?? word);

const run = (line: string): Promise<Ended> =>
  new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...wordsOf(line)], { cwd: folder, maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });

const SMALL = '--workload ping-pong --memory 64MiB --accesses 2000';
const HEAD = "import { CHECKS, Errno, Flow, Op, end, goTo, step, steady, storeState, toSharedSteps, unmapThenCheckSteps, waitFor } from 'foliobench/policy';\n";
/** A module with one policy. */
const policy = (rules: string, name = 'own'): string =>
  `${HEAD}export default { name: '${name}', summary: 'one of the tests', family: 'conversion', checks: ['refcount'], rules: ({ check }) => (${rules}) };\n`;
/** One whose to-private has a step of its own before everything else. */
const withStep = (made: string): string => policy(`{ toPrivate: [${made}, ...unmapThenCheckSteps({ check })], toShared: toSharedSteps() }`);

const LITMUS = `name: own
question: Does anything go wrong?
source: a test
world:
  pages: 1
threads:
  vcpu:
    - to-private 0
policies: [own]
expect:
  '*': proved
`;

describe('new policy', () => {
  test('writes a module that runs at once, and a litmus file that holds', async () => {
    const made = await run('new policy my-own');
    expect(made).toEqual({
      code: 0,
      stderr: '',
      stdout:
        'my-own.policy.mjs\nmy-own.litmus.yaml\n\nfoliobench compare --policy sigbus-on-fault,./my-own.policy.mjs --workload ping-pong --memory 64MiB\n' +
        'foliobench explore my-own.litmus.yaml --policy ./my-own.policy.mjs\n',
    });
    expect(get('my-own.policy.mjs').split('\n').length).toBeLessThan(60);
    const [compare, explore] = [...made.stdout.matchAll(/^foliobench (.*)$/gm)].map(([, words]) => words);
    const table = await run(`${compare} --accesses 2000`);
    expect(table.code).toBe(0);
    expect(table.stdout).toMatch(/^my-own .* not checked$/m);
    expect((await run(explore)).code).toBe(0);
  });

  test('writes one that the other verbs take as well, without an edit', async () => {
    await run('new policy my-own');
    const verbs = [
      'sweep --policy sigbus-on-fault,./my-own.policy.mjs --workload ping-pong --vary memory=16MiB,32MiB --accesses 500',
      'explain ./my-own.policy.mjs', 'list policies --policy ./my-own.policy.mjs',
    ];
    const [sweep, explain, list] = await Promise.all(verbs.map(run));
    expect([sweep.code, explain.code, list.code]).toEqual([0, 0, 0]);
    // A process is told before its pages are unmapped: the same at each size, and more than without it.
    const latencies = (policy: string) => new RegExp(`^${policy} +([0-9.]+) +([0-9.]+) +0.00$`, 'm').exec(sweep.stdout)?.slice(1).map(Number) ?? [];
    expect(latencies('my-own')).toHaveLength(2);
    expect(latencies('my-own').every((us, at) => us > latencies('sigbus-on-fault')[at])).toBe(true);
    expect(explain.stdout).toMatch(/^my-own, check refcount$/m);
    expect(list.stdout).toMatch(/^my-own +as sigbus-on-fault/m);
  });

  test('passes the type checker from the template on, where the package is installed', async () => {
    await run('new policy my-own');
    mkdirSync(path.join(folder, 'node_modules'));
    symlinkSync(ROOT, path.join(folder, 'node_modules', 'foliobench'), 'dir');
    const check = (): Promise<string> =>
      new Promise((resolve) => {
        const compiler = path.join(ROOT, 'node_modules/typescript/bin/tsc');
        const words = ['--noEmit', '--strict', '--checkJs', '--allowJs', '--target', 'es2023', '--module', 'nodenext', '--types', '', 'my-own.policy.mjs'];
        execFile(process.execPath, [compiler, ...words], { cwd: folder }, (_error, stdout) => resolve(stdout));
      });
    expect(await check()).toBe('');
    put('my-own.policy.mjs', get('my-own.policy.mjs').replace("family: 'conversion'", "family: 'conversation'"));
    expect(await check()).toContain(`Type '"conversation"' is not assignable to type '"conversion"'`);
  });

  test('writes where it is told to, and nothing over', async () => {
    mkdirSync(path.join(folder, 'a'));
    expect((await run('new policy my-own --dir a')).stdout).toContain('--policy ./a/my-own.policy.mjs\n');
    put('a/my-own.litmus.yaml', 'mine');
    rmSync(path.join(folder, 'a/my-own.policy.mjs'));
    expect(await run('new policy my-own --dir a')).toEqual({
      code: 2,
      stdout: '',
      stderr: 'foliobench: a/my-own.litmus.yaml is there already\n  why: nothing is written over\n  fix: pick another name, or move the file away\n',
    });
    expect(readdirSync(path.join(folder, 'a'))).toEqual(['my-own.litmus.yaml']);
    expect((await run('new policy my-own --dir b')).stderr).toContain('cannot write to b\n  why: there is no such folder');
  });

  test.each([
    ['My-Policy', 'a name is lower-case words of letters and digits, joined by hyphens, such as my-policy'],
    ['../up', 'a name is lower-case words of letters and digits, joined by hyphens, such as my-policy'],
    ['all', '`--policy all` means every policy'],
    ['split-4k', 'foliobench ships a policy of that name'],
    ['no-notifier', 'foliobench ships a policy of that name'],
    ['a'.repeat(41), 'a name has at most 40 characters, so that it fits a table'],
  ])('refuses the name %s', async (name, why) => {
    expect(await run(`new policy ${name}`)).toEqual({ code: 2, stdout: '', stderr: `foliobench: a policy cannot be named "${name}"\n  why: ${why}\n  fix: pick another name\n` });
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('a module', () => {
  test('stands beside names and all, each policy once, and gives the figures of the shipped one that it repeats', async () => {
    put('own.mjs', policy('{ toPrivate: unmapThenCheckSteps({ check }), toShared: toSharedSteps() }'));
    const { stdout, code } = await run(`compare --policy all,./own.mjs,own.mjs ${SMALL} --format json`);
    expect(code).toBe(0);
    const { cells, experiment } = JSON.parse(stdout) as ResultsRecord;
    expect(experiment.rows.at(-1)).toEqual({ policy: 'own', check: 'refcount' });
    expect(experiment.rows.filter((row) => row.policy === 'own')).toHaveLength(1);
    const figures = (name: string) => cells.filter((cell) => cell.policy === name).map((cell) => (cell.status === 'ok' ? cell.deterministic : cell));
    expect(figures('own')).toEqual(figures('sigbus-on-fault'));
  });

  test('gives the same record on threads and in processes of their own, which the schema accepts', async () => {
    put('own.mjs', policy('{ toPrivate: unmapThenCheckSteps({ check }), toShared: toSharedSteps() }'));
    const records = await Promise.all(['', ' --isolate'].map(async (how) => JSON.parse((await run(`compare --policy ./own.mjs ${SMALL} --format json${how}`)).stdout) as ResultsRecord));
    const [threads, processes] = records.map(({ cells, experiment }) => ({ experiment, cells: cells.map((cell) => (cell.status === 'ok' ? cell.deterministic : cell)) }));
    expect(processes).toEqual(threads);
    expect(threads.experiment.policyFiles).toEqual([{ path: './own.mjs', hash: expect.stringMatching(/^[0-9a-f]{16}$/), policies: ['own'] }]);
    const accepts = new Ajv().compile(resultsSchema());
    expect([accepts(records[0]), accepts.errors]).toEqual([true, null]);
  });

  test('may export a list, of which a word can name one', async () => {
    put('two.mjs', `${policy('{ toPrivate: unmapThenCheckSteps({ check }), toShared: toSharedSteps() }', 'first').replace('export default', 'const first =')}export default [first, { ...first, name: 'second' }];\n`);
    expect((await run('list policies --policy ./two.mjs')).stdout).toMatch(/\nfirst +one of the tests \(checks: refcount\)\nsecond +one of the tests \(checks: refcount\)\n$/);
    const { experiment } = JSON.parse((await run(`compare --policy ./two.mjs#second ${SMALL} --format json`)).stdout) as ResultsRecord;
    expect([experiment.rows, experiment.policyFiles?.[0].policies]).toEqual([[{ policy: 'second', check: 'refcount' }], ['second']]);
    expect((await run(`compare --policy ./two.mjs#third ${SMALL}`)).stderr).toBe('foliobench: ./two.mjs has no policy "third"\n  why: it has first, second\n  fix: pick one of them, or write ./two.mjs for all\n');
    expect((await run('explain ./two.mjs')).stderr).toContain('explain takes one policy, and ./two.mjs has 2');
    put('own.litmus.yaml', LITMUS.replace('policies: [own]\n', '').replace('proved', 'broken'));
    const { stdout } = await run('explore own.litmus.yaml --policy ./two.mjs --show');
    expect(stdout).toContain('own under second, check refcount: proved');
  });

  test('is resumed only as it was', async () => {
    put('help.mjs', 'export const label = 1;\n');
    put('own.mjs', `import './help.mjs';\n${withStep("step('mine', () => process.exit(1))")}`);
    const compare = `compare --policy refuse-mmap,./own.mjs ${SMALL} -o r.json`;
    expect((await run(compare)).code).toBe(1);
    expect(readdirSync(folder)).toContain('r.json.partial.jsonl');
    put('help.mjs', 'export const label = 2;\n');
    expect(await run(`${compare} --resume`)).toMatchObject({ code: 2, stderr: expect.stringContaining('r.json.partial.jsonl belongs to another experiment') });
    put('help.mjs', 'export const label = 1;\n');
    expect((await run(`${compare} --resume --quiet`)).stderr).not.toContain('another experiment');
  });

  test('of two shards has to be one', async () => {
    put('own.mjs', withStep("step('mine', () => Flow.Next)"));
    await run(`compare --policy refuse-mmap,./own.mjs ${SMALL} --shard 1/2 -o a.json --quiet`);
    put('own.mjs', `${get('own.mjs')}// changed\n`);
    await run(`compare --policy refuse-mmap,./own.mjs ${SMALL} --shard 2/2 -o b.json --quiet`);
    expect(await run('merge a.json b.json')).toMatchObject({ code: 2, stderr: expect.stringContaining('b.json and a.json are parts of different experiments') });
  });

  test('is known to litmus files by name, and replays what it prints', async () => {
    put('own.mjs', policy('{ toPrivate: [...unmapThenCheckSteps({ check }).slice(0, 3), step("store", storeState(true)), ...unmapThenCheckSteps({ check }).slice(-2)], toShared: toSharedSteps() }'));
    put('own.litmus.yaml', LITMUS.replace('threads:', 'before:\n  - vcpu: guest write 0\nthreads:').replace('    - to-private 0', '    - to-private 0\n  host:\n    - host write 0'));
    expect((await run('explore own.litmus.yaml')).stderr).toContain('unknown policy "own"\n');
    expect((await run('explore own.litmus.yaml')).stderr).toContain('or bring your own: --policy FILE.mjs\n');
    const { code, stdout } = await run('explore own.litmus.yaml --policy ./own.mjs');
    expect([code, stdout]).toEqual([1, expect.stringContaining('own under own, check refcount: broken')]);
    const [, words = ''] = /^replay: foliobench (.*)$/m.exec(stdout) ?? [];
    expect(words).toContain('--policy ./own.mjs --check refcount --replay ');
    const again = await run(words);
    expect(again.code).toBe(0);
    expect(again.stdout.split('\n').filter((line) => /^violated|^found|^replay/.test(line))).toEqual(stdout.split('\n').filter((line) => /^violated|^found|^replay/.test(line)));
  });
});

describe('a broken module is told before anything runs', () => {
  test.each([
    ['a line that cannot be read', "export default {\n  name: ,\n};\n", ":2: no JavaScript that can be read\n  why: Unexpected token ','"],
    ['no default export', 'export const policy = 1;\n', ' has no default export\n  why: it exports policy by name'],
    ["a shipped policy's name", policy('{}', 'split-4k'), ': a policy may not be named "split-4k"\n  why: foliobench ships a policy of that name'],
    ['rules that throw', policy('nothing.here'), ': own: rules() throws under the check refcount\n  why: ReferenceError: nothing is not defined (own.mjs:2)'],
    ['a label that does not exist', withStep("step('mine', () => Flow.Next, 'state.stor')"), ': own: step "mine" of toPrivate goes on at "state.stor", which does not exist\n  why: the nearest of the routine\'s steps are state.store'],
    ['a misspelt block', "import { stepp } from 'foliobench/policy';\nexport default stepp;\n", ":1 imports stepp from 'foliobench/policy'\n  why: there is no stepp in it; the nearest are step"],
    ['an import of what is not there', "import './other.mjs';\nexport default 1;\n", ' imports what is not there\n  why: Cannot find module'],
    ['a top level that throws', 'const a = undefined;\na.b();\n', " throws while it is loaded\n  why: TypeError: Cannot read properties of undefined (reading 'b') (own.mjs:2)"],
    ['an exit', 'process.exit(0);\n', ': the module ended the process\n  why: with exit code 0'],
    ['an await of what never comes', 'await new Promise(() => {});\nexport default 1;\n', ': the module does not come to an end\n  why: it awaits what never comes'],
  ])('%s', async (_what, text, message) => {
    put('own.mjs', text);
    const file = path.join(folder, 'own.mjs');
    const error = await readPolicyFiles([file]).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message.replaceAll(folder, '.')).toContain(`./own.mjs${message}`);
    expect((error as UserError).fix).not.toBe('');
  });

  test('by every verb in the same words, with exit code 2', async () => {
    put('own.mjs', 'export default {\n  name: ,\n};\n');
    const told = { code: 2, stdout: '', stderr: "foliobench: ./own.mjs:2: no JavaScript that can be read\n  why: Unexpected token ','\n  fix: correct that line, or one just before it\n" };
    for (const line of [`compare --policy ./own.mjs ${SMALL}`, 'explore --policy ./own.mjs', 'list policies --policy ./own.mjs', 'explain ./own.mjs']) expect(await run(line)).toEqual(told);
  });

  test('loops without an end', async () => {
    put('own.mjs', 'for (;;);\n');
    expect((await run(`compare --policy ./own.mjs ${SMALL} --step-seconds 1`)).stderr).toContain('./own.mjs: the module does not come to an end\n  why: it was still running after 1 s');
    put('own.mjs', policy('(() => { for (;;); })()'));
    expect((await run(`compare --policy ./own.mjs ${SMALL} --step-seconds 1`)).stderr).toContain('./own.mjs: rules() of own under the check refcount does not come to an end');
  });

  test('a path that is none, and a language that cannot be read', async () => {
    expect((await run(`compare --policy ./none.mjs ${SMALL}`)).stderr).toContain('cannot read ./none.mjs\n  why: there is no such file');
    put('own.txt', '');
    expect((await run(`compare --policy ./own.txt ${SMALL}`)).stderr).toContain('./own.txt is no module that can be loaded\n  why: its name ends in ".txt"');
    put('own.ts', `import type { Run } from 'foliobench/policy';\n${withStep("step('mine', mine)")}const mine: Run = () => Flow.Next;\n`);
    const { typescript } = process.features as { readonly typescript?: string | false };
    const { code, stderr } = await run(`compare --policy ./own.ts ${SMALL} --quiet`);
    const isRead = typescript !== undefined && typescript !== false;
    expect([code, stderr.includes('compile it: npx tsc ./own.ts --module nodenext')]).toEqual(isRead ? [0, false] : [2, true]);
  });

  test('two modules with one name, and names where a path belongs', async () => {
    for (const file of ['a.mjs', 'b.mjs']) put(file, withStep("step('mine', () => Flow.Next)"));
    expect((await run(`compare --policy ./a.mjs,./b.mjs ${SMALL}`)).stderr).toContain('./a.mjs and ./b.mjs both have a policy named own');
    expect((await run('list policies --policy split-4k')).stderr).toContain('--policy split-4k is no path');
    expect((await run('list workloads --policy ./a.mjs')).stderr).toContain('--policy does not go with workloads');
  });
});

describe('a step that is none fails its own cells and no others', () => {
  interface Case {
    readonly text: string;
    readonly is: 'threw' | 'is no step';
    readonly why: string;
  }
  const cases: readonly Case[] = [
    { text: withStep("step('mine', (world) => world.nothing.here)"), is: 'threw', why: "TypeError: Cannot read properties of undefined (reading 'here') (own.mjs:2)" },
    { text: withStep("step('mine', () => {})"), is: 'is no step', why: 'it answers nothing, and a step says where to go on' },
    { text: withStep("step('mine', () => 'next')"), is: 'is no step', why: 'it answers next, which is no Flow' },
    { text: withStep("step('mine', () => Promise.reject(new Error('late')))"), is: 'is no step', why: 'it answers a promise, and a step is over when it returns' },
    { text: withStep("step('mine', () => Flow.Otherwise)"), is: 'is no step', why: 'it answers Flow.Otherwise and has no label to go on at' },
    { text: withStep("step('mine', () => Flow.Wait)"), is: 'is no step', why: 'it answers Flow.Wait and does not say what it waits for' },
    { text: withStep("step('mine', (world) => { world.meter.charge(Op['nope']); return Flow.Next; })"), is: 'is no step', why: 'it charged an operation that does not exist, or less than none of one' },
    { text: policy('{ toPrivate: [step("mine", () => Flow.Next)], toShared: toSharedSteps() }'), is: 'is no step', why: 'it answers Flow.Next and is the last step of its routine' },
  ];

  test('in compare, on threads and in processes', async () => {
    cases.forEach(({ text }, index) => put(`own-${index}.mjs`, text.replace("name: 'own'", `name: 'own-${index}'`)));
    const words = cases.map((_, index) => `./own-${index}.mjs`).join(',');
    for (const how of ['', ' --isolate']) {
      const { code, stdout } = await run(`compare --policy ${words},refuse-mmap ${SMALL} --format json${how}`);
      const { cells } = JSON.parse(stdout) as ResultsRecord;
      expect([code, cells.map(({ policy: name, status }) => `${name} ${status}`)]).toEqual([1, ['refuse-mmap ok', ...cases.map((_, index) => `own-${index} failed`)]]);
      cases.forEach(({ is, why }, index) => {
        const { error } = cells[index + 1] as FailedCell;
        expect([error.what, error.why.replace(/-\d(?=\.mjs)/, '')]).toEqual([`step "mine" of toPrivate of own-${index} (./own-${index}.mjs) ${is}`, why]);
      });
    }
  });

  test('in explore as a broken sentence, with the way there', async () => {
    cases.forEach(({ text }, index) => put(`own-${index}.mjs`, text.replace("name: 'own'", `name: 'own-${index}'`)));
    put('own.litmus.yaml', LITMUS.replace('policies: [own]\n', ''));
    const { code, stdout } = await run(`explore own.litmus.yaml --policy ${cases.map((_, index) => `./own-${index}.mjs`).join(',')},refuse-mmap --check refcount`);
    expect(code).toBe(1);
    const told = stdout.split(/^own under /m).slice(1).map((one) => one.replaceAll(/\n +/g, ' '));
    expect(told).toHaveLength(cases.length + 1);
    expect(told[0]).toMatch(/^refuse-mmap, check refcount: proved/);
    cases.forEach(({ why }, index) => {
      expect(told[index + 1]).toMatch(new RegExp(`^own-${index}, check refcount: broken`));
      expect(told[index + 1]).toContain('violated: kernel-arithmetic');
      expect(told[index + 1].replace(/-\d(?=\.mjs:)/, '')).toContain(why);
      expect(told[index + 1]).toContain('[to-private 0] up to mine');
    });
  });

  test('goes in circles: counted in compare, an end out of reach in explore', async () => {
    put('own.mjs', policy('{ toPrivate: [step("a", () => Flow.Next), step("b", () => Flow.Otherwise, "a"), end], toShared: toSharedSteps() }'));
    put('own.litmus.yaml', LITMUS);
    const { cells } = JSON.parse((await run(`compare --policy ./own.mjs ${SMALL} --format json`)).stdout) as ResultsRecord;
    expect((cells[0] as FailedCell).error).toMatchObject({ what: 'step "b" of toPrivate of own (./own.mjs) is no step', why: expect.stringContaining('its routine has taken 20000000 steps and does not end') });
    expect((await run('explore own.litmus.yaml --policy ./own.mjs')).stdout).toContain('violated: end-reachable');
  });

  test('never comes back, or ends the process', async () => {
    put('own.mjs', withStep("step('mine', () => { for (;;); })"));
    put('own.litmus.yaml', LITMUS);
    for (const how of ['', ' --isolate']) {
      const { cells } = JSON.parse((await run(`compare --policy ./own.mjs,refuse-mmap ${SMALL} --format json --step-seconds 1${how}`)).stdout) as ResultsRecord;
      expect(cells[0].status).toBe('ok');
      expect((cells[1] as FailedCell).error).toMatchObject({ what: 'step "mine" of toPrivate (./own.mjs) does not come back', why: 'it was still running after 1 s, and a step takes microseconds' });
    }
    const stuck = await run('explore own.litmus.yaml --policy ./own.mjs --step-seconds 1');
    expect([stuck.code, stuck.stdout]).toEqual([1, expect.stringContaining('step "mine" of toPrivate (./own.mjs) does not come back')]);
    put('own.mjs', withStep("step('mine', () => process.exit(3))"));
    for (const how of ['', ' --isolate']) {
      const { stdout, stderr } = await run(`compare --policy ./own.mjs,refuse-mmap ${SMALL} --format json${how}`);
      const { cells } = JSON.parse(stdout) as ResultsRecord;
      expect([cells[0].status, stderr]).toEqual(['ok', '']);
      expect((cells[1] as FailedCell).error).toMatchObject({ what: 'the worker of this cell was lost, under the policy of ./own.mjs', why: 'worker exited with code: 3' });
    }
  });

  test('breaks the model: what it finds is told as the work of the policy, and explore shows the step', async () => {
    put('own.mjs', withStep("step('mine', (world, task) => { world.refcount[world.rangeStart[task]]++; return Flow.Next; })"));
    put('own.litmus.yaml', LITMUS.replace('threads:', 'before:\n  - vcpu: guest write 0\nthreads:'));
    const { stdout } = await run('explore own.litmus.yaml --policy ./own.mjs');
    expect(stdout).toContain('violated: F1');
    expect(stdout).toContain('mine: refcount of page 0: 1 -> 2');
  });
});
