/**
 * The documents say what the program does: what it writes into them is what it says today, and every name, file, command and
 * column in them exists.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { CliContext } from '../src/cli/context.ts';
import { createProgram } from '../src/cli/program.ts';
import { ExitCode } from '../src/cli/exitCodes.ts';
import { catalogue } from '../src/harness/builtIn.ts';
import { familiesOf } from '../src/harness/catalogue.ts';
import { explorablePolicies } from '../src/harness/litmusFiles.ts';
import { sentences } from '../src/explore/sentences.ts';
import { conversion } from '../src/harness/families/conversion.ts';
import { CONVERSION_METRICS as METRICS } from '../src/harness/families/conversionMetrics.ts';
import { buildHost } from '../src/model/host.ts';
import { ERRNOS } from '../src/model/errno.ts';
import { OPERATIONS_MEASURED } from '../src/calibrate/points.ts';
import { OPERATIONS, PHASES } from '../src/model/operations.ts';
import { PLATFORM_NAMES } from '../src/model/platform.ts';
import { VMM_STRATEGIES } from '../src/model/request.ts';
import { worldColumns } from '../src/model/world.ts';
import { policies } from '../src/policies/index.ts';
import { CHECKS } from '../src/policies/policy.ts';
import { BLOCKS } from '../src/report/columns.ts';
import { listCostProfiles } from '../src/simulate/costs.ts';
import { traceNames, workloads } from '../src/workloads/index.ts';
import type { Command } from 'commander';
import { DOCUMENTS, ROOT, generate, generatedBlocks, readDocument } from './tools/documents.ts';

/** The texts without their generated parts, which are true by another test. */
const written = new Map(DOCUMENTS.map((name) => [name, readDocument(name).replaceAll(/<!-- generated: [\s\S]*?<!-- end -->/g, '')]));
const packageJson = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
};

/** What the worked examples of CONTRIBUTING make: files, and the names in them. */
const contributing = written.get('CONTRIBUTING.md') ?? '';
const EXAMPLES: ReadonlySet<string> = new Set([...contributing.matchAll(/<!-- new file: (\S+) -->/g)].map(([, file]) => file));
const exampleNames = [...contributing.matchAll(/^  name: '(\S+)',$/gm)].map(([, name]) => name);

describe('what the program writes into a document is what it says today', () => {
  const blocks = DOCUMENTS.flatMap((document) => generatedBlocks(readDocument(document)).map(({ name, text }) => ({ document, name, text })));
  test.each(blocks)('$document: $name', async ({ name, text }) => {
    expect(text, 'if that is meant: npm run documents').toBe(await generate(name));
  }, 120_000);
  test('there are such parts in all documents but one', () => {
    expect([...new Set(blocks.map(({ document }) => document))]).toEqual(['README.md', 'ARCHITECTURE.md', 'METHODOLOGY.md', 'litmus/README.md']);
  });
});

describe('the README', () => {
  const readme = written.get('README.md') ?? '';

  test('says in its first line that schedules are sequentially consistent', () => {
    expect(readme.split('\n')[0]).toContain('sequentially consistent');
  });
  test('names the two commands of the set-up', () => {
    expect(readme).toContain('npm ci && npm start\nnpm ci && npm test\n');
  });
  test('explains every column of the tables, in their order', () => {
    const explained = rowsOf(readme, '| column | what it is |').map(([name]) => name);
    expect(explained).toEqual(BLOCKS.flatMap(({ columns }) => columns).map(({ head }) => head.join(' ')));
  });
  test('has every exit code', () => {
    expect(rowsOf(readme, '| code | when |').map(([code]) => Number(code))).toEqual(Object.values(ExitCode));
  });
  test('counts the workloads as they are', () => {
    const byDefault = workloads.filter(({ onRequest }) => onRequest !== true);
    expect(readme).toContain(`on ${byDefault.length} synthetic guests of 1 GiB`);
    for (const label of Object.keys(conversion.labels)) expect(readme).toContain(`\`${label}\``);
  });
});

describe('commands in the documents', () => {
  const program = createProgram({ catalogue, version: '', stdout: process.stdout } as unknown as CliContext);
  const commands = [...written].flatMap(([document, text]) => commandsOf(text).map((command) => ({ document, command })));

  test.each(commands)('$document: $command', ({ command }) => {
    expect(complaints(program, command)).toEqual([]);
  });
  test('are found at all, and a wrong one is noticed', () => {
    expect(commands.length).toBeGreaterThan(15);
    expect(complaints(program, 'foliobench explian null')).toEqual(['no verb explian']);
    expect(complaints(program, 'foliobench compare --polcy all')).toEqual(['compare has no option --polcy']);
    expect(complaints(program, 'foliobench compare --policy sigbus')).toEqual(['no policy sigbus']);
    expect(complaints(program, 'npm run fly')).toEqual(['no script fly']);
  });
});

describe('names in the documents', () => {
  const names = new Set<string>([
    ...explorablePolicies.map(({ name }) => name),
    ...sentences.map(({ name }) => name),
    ...workloads.map(({ name }) => name),
    ...familiesOf(catalogue).flatMap(({ family, policies: own, workloads: synthetic }) => [family, ...own.map(({ name }) => name), ...synthetic.map(({ name }) => name)]),
    ...traceNames(),
    ...CHECKS,
    ...listCostProfiles().map(({ name }) => name),
    ...OPERATIONS.map(({ name }) => name),
    ...Object.keys(OPERATIONS_MEASURED),
    ...stepNames(),
    ...METRICS.flatMap(({ path: keys }) => keys.map((_, index) => keys.slice(0, index + 1).join('.'))),
    ...Object.keys(worldColumns),
    ...PHASES,
    ...ERRNOS,
    ...PLATFORM_NAMES,
    ...VMM_STRATEGIES,
    ...Object.keys(packageJson.dependencies),
    ...Object.keys(packageJson.devDependencies),
    ...Object.keys(packageJson.optionalDependencies),
  ]);
  const spans = [...written].flatMap(([document, text]) => spansOf(text).map((span) => ({ document, span })));

  test('of policies, workloads, operations, steps and files all exist', () => {
    // A name of ours has a hyphen or a dot in it; one word alone may be anything.
    // The words of the litmus language are litmus/README.md's own: the test of the parser reads its examples.
    const unknown = spans.filter(({ document, span }) => document !== 'litmus/README.md' && !EXAMPLES.has(span) && !/\.(?:policy\.mjs|litmus\.yaml)$/.test(span) && /^[a-z0-9]+(?:[-.][a-zA-Z0-9]+)+$/.test(span) && !names.has(span) && !exampleNames.includes(span) && !existsSync(path.join(ROOT, span)));
    expect(unknown).toEqual([]);
  });
  test('of files all exist', () => {
    const files = spans.filter(({ span }) => /^(?:src|test|bench|litmus|traces|results|schema)\//.test(span) && !/[*<>]|[A-Z]{4}/.test(span));
    expect(files.length).toBeGreaterThan(20);
    expect(files.filter(({ span }) => !existsSync(path.join(ROOT, span)) && !EXAMPLES.has(span))).toEqual([]);
  });
  test('of functions stand in the file that the text says', () => {
    const placed = [...written].flatMap(([document, text]) =>
      [...text.matchAll(/`([a-z]+[A-Z]\w*)` (?:\(|in |of )`((?:src|test)\/[\w./-]+\.ts)`/g)].map(([, name, file]) => ({ document, name, file })),
    );
    expect(placed.length).toBeGreaterThan(8);
    expect(placed.filter(({ name, file }) => !existsSync(path.join(ROOT, file)) || !readDocument(file).includes(name))).toEqual([]);
  });
  test('of every policy and every workload are in METHODOLOGY or the README', () => {
    const all = DOCUMENTS.map(readDocument).join('\n');
    const missing = [...policies, ...workloads].map(({ name }) => name).filter((name) => !all.includes(`\`${name}\``) && !all.includes(`| ${name} |`));
    expect(missing).toEqual([]);
  });
  test('links lead somewhere', () => {
    const links = [...written].flatMap(([document, text]) => [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, target]) => ({ document, target })));
    expect(links.filter(({ target }) => !target.startsWith('https://') && !existsSync(path.join(ROOT, target)))).toEqual([]);
  });
});

describe('CONTRIBUTING', () => {
  test('gives a reason for every dependency, and for no other', () => {
    const named = rowsOf(contributing, '| package | why |').flatMap(([names]) => names.replaceAll('`', '').split(', '));
    expect(named.toSorted()).toEqual([...Object.keys(packageJson.dependencies), ...Object.keys(packageJson.devDependencies), ...Object.keys(packageJson.optionalDependencies)].toSorted());
  });
});

/** Cells of the table below a header. */
function rowsOf(text: string, header: string): readonly (readonly string[])[] {
  const [, below = ''] = text.split(`${header}\n`);
  const lines = below.split('\n');
  const end = lines.findIndex((line) => !line.startsWith('|'));
  return lines.slice(1, end).map((line) => line.slice(1, -1).split('|').map((cell) => cell.trim()));
}

/** Inline code, outside of fenced blocks. */
function spansOf(text: string): readonly string[] {
  return [...text.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/`([^`\n]+)`/g)].map(([, span]) => span);
}

/** Command lines in shell blocks and in inline code. */
function commandsOf(text: string): readonly string[] {
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, block]) => block.split('\n'));
  const lines = [...blocks, ...spansOf(text)].flatMap((line) => line.replace(/\s+#.*$/, '').split('&&')).map((line) => line.trim());
  return [...new Set(lines.filter((line) => /^(?:foliobench |npm (?:run|start|test|ci)\b)/.test(line)))];
}

/** What is wrong with a command line. */
function complaints(program: Command, command: string): readonly string[] {
  const [first, second, ...rest] = command.replace(/^npm start -- /, 'foliobench compare ').split(/\s+/);
  if (first === 'npm') {
    const script = second === 'run' ? rest[0] : second;
    return script === 'ci' || script in packageJson.scripts ? [] : [`no script ${script}`];
  }
  if (second.startsWith('-')) return [];
  const verb = program.commands.find((one) => one.name() === second);
  if (verb === undefined) return [`no verb ${second}`];
  const known: Readonly<Record<string, readonly string[]>> = {
    policy: [...explorablePolicies.map(({ name }) => name), 'all', ...exampleNames],
    workload: [...workloads.map(({ name }) => name), ...traceNames(), 'all', ...exampleNames],
  };
  return rest.flatMap((word, index) => {
    if (!/^--?[a-z]/.test(word)) return [];
    const option = verb.options.find(({ short, long }) => short === word || long === word);
    if (option === undefined && word !== '--help') return [`${second} has no option ${word}`];
    const values = known[word.slice(2)];
    if (values === undefined) return [];
    // A file of the reader's own, and a word that stands for one.
    const isFree = (name: string) => existsSync(path.join(ROOT, name)) || name.startsWith('./') || /^[A-Z]+$/.test(name);
    return rest[index + 1].split(',').filter((name) => !values.includes(name) && !isFree(name)).map((name) => `no ${word.slice(2)} ${name}`);
  });
}

function stepNames(): readonly string[] {
  return policies.flatMap(({ rules }) => {
    const { names, routineNames } = buildHost(rules({ check: 'refcount' }), { lazy: true }).program;
    return [...names, ...routineNames];
  });
}
