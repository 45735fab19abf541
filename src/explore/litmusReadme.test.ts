/** litmus/README.md: every example in it is read, and its table has every operation with its form. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CHECKS } from '../policies/policy.ts';
import type { Check } from '../policies/policy.ts';
import { checkLitmus } from './checkLitmus.ts';
import { families } from './families/index.ts';
import type { ExploredPolicy } from './family.ts';
import { mistakeIn } from './litmusYaml.ts';
import type { Complaint } from './litmusYaml.ts';
import { KINDS, OPERATIONS } from './litmusOperations.ts';
import { VERDICTS } from './litmus.ts';
import { parseLitmus, readLitmus } from './parseLitmus.ts';
import { readOperation } from './operationWords.ts';

const README = readFileSync(new URL('../../litmus/README.md', import.meta.url), 'utf8');
const inTicks = (cell: string): readonly string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text);
/** Rows of the table whose head starts with this cell, as cells; `\|` is a bar in a cell. */
const rowsOf = (head: string): readonly (readonly string[])[] => {
  const [, table] = README.split(`\n| ${head} |`);
  const rows = table.slice(0, table.indexOf('\n\n')).split('\n').slice(2);
  return rows.map((row) => row.replaceAll('\\|', '\0').split('|').slice(1, -1).map((cell) => cell.trim().replaceAll('\0', '|')));
};

describe('litmus/README.md', () => {
  test('says first that the tests are sequentially consistent', () => {
    expect(README.split('\n')[0]).toMatch(/sequentially consistent.*memory barriers/);
  });

  const files = [...README.matchAll(/```yaml\n(.*?)```/gs)].map(([, text]) => [/^name: (\S+)/.exec(text)?.[1] ?? '', text]);
  test('has a file or two of each family', () => expect(files.map(([name]) => name)).toEqual(['gup-fast-against-to-private', 'host-access-after-to-private', 'read-pin-and-write', 'protection-over-a-zap']));
  test.each(files)('has %s, which is read', (name, text) => expect(parseLitmus(text, `${name}.litmus.yaml`).name).toBe(name));

  test.each(files)('names in %s policies and checks that there are', (name, text) => {
    const { mentions, litmus: { family } } = readLitmus(text, `${name}.litmus.yaml`);
    const known = { policies: family.policies.map((policy) => policy.name), checks: CHECKS as readonly string[] };
    expect(mentions.filter(({ policy, check }) => !(policy === undefined || known.policies.includes(policy)) || !(check === undefined || known.checks.includes(check)))).toEqual([]);
  });

  test.each(files)('expects of %s what comes of it', (name, text) => {
    const litmus = parseLitmus(text, `${name}.litmus.yaml`);
    const checksOf = ({ checks }: ExploredPolicy): readonly (Check | undefined)[] => (checks.length === 0 ? [undefined] : (litmus.checks ?? checks));
    const cells = litmus.family.policies.filter((policy) => litmus.policies?.includes(policy.name)).flatMap((policy) => checksOf(policy).map((check) => ({ policy, check })));
    const verdicts = cells.map(({ policy, check }) => checkLitmus({ litmus, policy, check }));
    expect(verdicts.length).toBeGreaterThan(1);
    expect(verdicts.filter(({ asExpected }) => asExpected !== true)).toEqual([]);
  });

  test('has every operation in its form', () => {
    expect(rowsOf('operation').map(([form]) => inTicks(form)[0])).toEqual(OPERATIONS.map(({ form }) => form));
  });
  const examples = rowsOf('operation').flatMap(([form, cell]) => inTicks(cell).map((example) => [example, inTicks(form)[0]] as const));
  test.each(examples)('has the example "%s" of "%s", which is read', (example, form) => {
    const mistake = mistakeIn('README');
    const { text } = readOperation(example, { line: 1, pages: 2, windowsPerProcess: 2, role: 'vcpu', slotOf: () => 0, mistake: (complaint) => mistake(1, complaint) }, { operations: OPERATIONS, kinds: KINDS });
    expect(OPERATIONS.find(({ words }) => text === words || text.startsWith(`${words} `))?.form).toBe(form);
  });
  test('has an example for every operation', () => expect(new Set(examples.map(([, form]) => form)).size).toBe(OPERATIONS.length));

  test.each(families.slice(1).flatMap(({ grammar }) => grammar.operations.map((form) => ({ form, grammar }))))('has an example of $form.words, which is read', ({ form, grammar }) => {
    const mistake = mistakeIn('README');
    const context = { line: 1, pages: 4, windowsPerProcess: 2, role: 'vmm' as const, threads: ['parent', 'child'], slotOf: () => 0, mistake: (complaint: Complaint) => mistake(1, complaint) };
    const { text } = readOperation(form.example ?? '', context, grammar);
    expect(grammar.operations.find(({ words }) => text === words || text.startsWith(`${words} `))?.form).toBe(form.form);
    expect(README).toContain(`\`${form.form.replaceAll('|', '\\|')}\``);
  });

  test('has every verdict', () => expect(rowsOf('verdict').map(([verdict]) => inTicks(verdict)[0])).toEqual([...VERDICTS]));

  test('tells the defaults of the world', () => {
    const litmus = parseLitmus(`name: x\nquestion: q\nsource: s\nthreads: { vcpu: [close] }\nexpect: { '*': proved }\nworld:\n${stated}`, 'x.litmus.yaml');
    const bare = parseLitmus(`name: x\nquestion: q\nsource: s\nthreads: { vcpu: [close] }\nexpect: { '*': proved }\n`, 'x.litmus.yaml');
    expect(litmus.world).toEqual(bare.world);
  });
  const defaults = rowsOf('key of `world`').filter(([key]) => key !== '`content`');
  const stated = defaults.map(([key, value]) => `  ${inTicks(key)[0]}: ${value}\n`).join('');
  test('has every key of the world', () => {
    const known = /the keys are (.*)\n/.exec(String(errorOf(() => parseLitmus(`world: { nothing: 0 }\nname: x\nquestion: q\nsource: s\n`, 'x.litmus.yaml'))))?.[1].split(', ');
    expect(rowsOf('key of `world`').map(([key]) => inTicks(key)[0])).toEqual(known);
  });
});

function errorOf(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}
