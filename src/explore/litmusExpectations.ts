/**
 * What a litmus file expects: cells (a verdict or outcomes for a policy under a check), and facts about single operations.
 *
 * A cell is `*`, `*` under a check, a policy, or a policy under a check. The most specific that matches wins; a policy's cell
 * and a check's cell are of equal rank, and must agree where both match and no more specific one decides.
 */
import type { ErrnoName } from '../model/errno.ts';
import { ERRNOS } from '../model/errno.ts';
import type { Check } from '../policies/policy.ts';
import { VERDICTS } from './litmus.ts';
import type { Expectation, ExpectedResult, Fact, LitmusThread } from './litmus.ts';
import { parseResult } from './operationWords.ts';
import type { OperationGrammar } from './operationWords.ts';
import { choiceOf, entriesOf, fieldsOf, listOf, suggestion, textOf } from './litmusYaml.ts';
import type { MistakeAt, YamlNode } from './litmusYaml.ts';

/** A name that the file uses and the caller has to know: of a policy, of a check, or of a sentence. */
export interface Mention {
  readonly policy?: string;
  readonly check?: string;
  readonly sentence?: string;
  readonly line: number;
}

export interface Cell<Value> {
  readonly key: string;
  /** undefined: every one. */
  readonly policy: string | undefined;
  readonly check: string | undefined;
  readonly value: Value;
  readonly line: number;
}

export type Lookup<Value> = (policy: string, check: Check | undefined) => Value | undefined;

const CELL = /^(\*|[\w-]+)(?:\/([\w-]+))?$/;

/** The value of the most specific cell. */
export const lookupIn =
  <Value>(cells: readonly Cell<Value>[]): Lookup<Value> =>
  (policy, check) => {
    const rank = (cell: Cell<Value>): number => (cell.policy === undefined ? 0 : 2) + (cell.check === undefined ? 0 : 1);
    const matching = cells.filter((cell) => (cell.policy ?? policy) === policy && (cell.check === undefined || cell.check === check));
    return matching.sort((a, b) => rank(b) - rank(a))[0]?.value;
  };

export const mentionsOf = (cells: readonly Cell<unknown>[]): readonly Mention[] =>
  cells.map(({ policy, check, line }) => ({ ...(policy === undefined ? {} : { policy }), ...(check === undefined ? {} : { check }), line }));

function parseCells<Value>(mistake: MistakeAt, node: YamlNode, place: string, read: (node: YamlNode) => Value): readonly Cell<Value>[] {
  return entriesOf(mistake, node, place).map(({ key, line, node: value }) => {
    const match = CELL.exec(key);
    if (match === null) {
      throw mistake(line, { what: `"${key}" is no cell of \`${place}\``, why: `a cell is '*', '*/CHECK', POLICY or POLICY/CHECK`, fix: 'name one policy and one check, with a slash between them' });
    }
    return { key, policy: match[1] === '*' ? undefined : match[1], check: match[2], value: read(value), line };
  });
}

/** @throws UserError where a policy's cell and a check's cell match the same run and differ */
function refuseContradictions<Value>(mistake: MistakeAt, cells: readonly Cell<Value>[], place: string, told: (value: Value) => string): void {
  const keys = new Set(cells.map(({ key }) => key));
  for (const byPolicy of cells) {
    if (byPolicy.policy === undefined || byPolicy.check !== undefined) continue;
    for (const byCheck of cells) {
      if (byCheck.policy !== undefined || byCheck.check === undefined || told(byCheck.value) === told(byPolicy.value)) continue;
      const decides = `${byPolicy.policy}/${byCheck.check}`;
      if (keys.has(decides)) continue;
      throw mistake(Math.max(byPolicy.line, byCheck.line), {
        what: `"${byPolicy.key}" and "${byCheck.key}" of \`${place}\` contradict each other`,
        why: `both are about ${decides}: one says ${told(byPolicy.value)}, the other ${told(byCheck.value)}`,
        fix: `add a cell ${decides}`,
      });
    }
  }
}

export function parseExpect(mistake: MistakeAt, node: YamlNode): readonly Cell<Expectation>[] {
  const cells = parseCells(mistake, node, 'expect', (value): Expectation => {
    if (value.kind === 'text') return { verdict: choiceOf(mistake, value, 'expect', VERDICTS), line: value.line };
    const fields = fieldsOf(mistake, value, 'expect', ['verdict', 'because']);
    const verdict = fields.get('verdict');
    const because = fields.get('because');
    if (verdict === undefined) throw mistake(value.line, { what: 'an expectation without a verdict', why: 'a reason alone expects nothing', fix: `add \`verdict:\`, one of ${VERDICTS.join(', ')}` });
    return {
      verdict: choiceOf(mistake, verdict.node, 'verdict', VERDICTS),
      ...(because === undefined ? {} : { because: textOf(mistake, because.node, 'because') }),
      line: value.line,
    };
  });
  if (cells.length === 0) throw mistake(node.line, { what: '`expect` is empty', why: 'a litmus file says what it expects', fix: `add a cell, such as '*': proved` });
  refuseContradictions(mistake, cells, 'expect', ({ verdict }) => verdict);
  return cells;
}

/* ---- outcomes ---- */

/** A list of outcomes for every run, or a map from cells to lists. */
export function parseOutcomes(mistake: MistakeAt, node: YamlNode, threads: readonly LitmusThread[]): readonly Cell<readonly string[]>[] {
  const readList = (list: YamlNode): readonly string[] => {
    const outcomes = listOf(mistake, list, 'outcomes').map((item) => ({ line: item.line, text: parseOutcome(mistake, item, threads) }));
    if (outcomes.length === 0) throw mistake(list.line, { what: '`outcomes` is an empty list', why: 'every run ends somehow', fix: 'list the outcomes, or leave `outcomes` out' });
    const again = outcomes.find(({ text }, at) => outcomes.findIndex((one) => one.text === text) < at);
    if (again !== undefined) throw mistake(again.line, { what: `the outcome "${again.text}" stands twice`, why: 'it is a set', fix: 'remove one of them' });
    return outcomes.map(({ text }) => text).sort();
  };
  if (node.kind === 'list') return [{ key: '*', policy: undefined, check: undefined, value: readList(node), line: node.line }];
  const cells = parseCells(mistake, node, 'outcomes', readList);
  refuseContradictions(mistake, cells, 'outcomes', (outcomes) => outcomes.join('; '));
  return cells;
}

function parseOutcome(mistake: MistakeAt, node: YamlNode, threads: readonly LitmusThread[]): string {
  const text = textOf(mistake, node, 'outcomes');
  const parts = text.split('|').map((part) => part.trim());
  const form = threads.map(({ operations }) => operations.map(({ text: operation }) => operation).join(', ')).join(' | ');
  if (parts.length !== threads.length) {
    throw mistake(node.line, { what: `the outcome "${text}" has ${parts.length} threads`, why: `the file has ${threads.length}: ${threads.map(({ name }) => name).join(', ')}`, fix: `one part a thread: ${form}` });
  }
  for (const [at, { name, operations }] of threads.entries()) {
    const results = parts[at] === '' ? [] : parts[at].split(' ');
    const unknown = results.find((result) => !(ERRNOS as readonly string[]).includes(result));
    if (unknown !== undefined) throw mistake(node.line, { what: `unknown result "${unknown}" in an outcome`, why: `an outcome is made of ${ERRNOS.join(', ')}, without values and pages`, fix: suggestion(unknown, ERRNOS) });
    if (results.length !== operations.length) {
      const why = `the thread has ${operations.length} operations`;
      throw mistake(node.line, { what: `the outcome "${text}" has ${results.length} results for "${name}"`, why, fix: `one result an operation: ${form}` });
    }
  }
  return parts.join(' | ');
}

/* ---- facts ---- */

/** Reads `THREAD.N => RESULT` lines. */
export function parseFacts(mistake: MistakeAt, node: YamlNode, place: string, threads: readonly LitmusThread[], pages: number, grammar: OperationGrammar): readonly Fact[] {
  return listOf(mistake, node, place).map((item) => {
    const text = textOf(mistake, item, place);
    const { line } = item;
    const match = /^([^\s.]+)\.(\d+) ?=>(.*)$/.exec(text);
    if (match === null) throw mistake(line, { what: `"${text}" is no fact`, why: 'a fact says how an operation ends', fix: 'write THREAD.N => RESULT, such as vcpu.1 => OK' });
    const [, name, number, result] = match;
    const thread = threads.findIndex((one) => one.name === name);
    const names = threads.map((one) => one.name);
    if (thread < 0) throw mistake(line, { what: `unknown thread "${name}"`, why: `the threads are ${names.join(', ')}`, fix: suggestion(name, names) });
    const { operations } = threads[thread];
    const operation = Number(number) - 1;
    if (operations[operation] === undefined) {
      throw mistake(line, { what: `"${name}" has no operation ${number}`, why: `it has ${operations.length}, counted from 1 after repeats are written out`, fix: `use a number from 1 to ${operations.length}` });
    }
    return { thread, operation, result: parseResult(result, operations[operation], { pages, mistake: (complaint) => mistake(line, complaint) }, grammar), text, line };
  });
}

interface Bounds {
  readonly errno: ErrnoName;
  readonly at?: number;
  readonly value?: number;
}
const agree = (one: number | undefined, other: number | undefined): boolean => one === undefined || other === undefined || one === other;
/** Whether an operation can end with both. */
const compatible = (one: Bounds, other: Bounds): boolean => one.errno === other.errno && agree(one.at, other.at) && agree(one.value, other.value);
/** Whether everything that fits the narrow one fits the wide one. */
const covers = (wide: Bounds, narrow: Bounds): boolean =>
  wide.errno === narrow.errno && (wide.at === undefined || wide.at === narrow.at) && (wide.value === undefined || wide.value === narrow.value);

/** @throws UserError where facts contradict each other or the result that stands behind their operation */
export function refuseContradictingFacts(mistake: MistakeAt, threads: readonly LitmusThread[], sometimes: readonly Fact[], never: readonly Fact[]): void {
  const same = (one: Fact, other: Fact): boolean => one.thread === other.thread && one.operation === other.operation;
  for (const fact of sometimes) {
    const excluded = never.find((one) => same(one, fact) && covers(one.result, fact.result));
    if (excluded !== undefined) {
      throw mistake(Math.max(fact.line, excluded.line), { what: `"${fact.text}" is expected sometimes and never`, why: `lines ${fact.line} and ${excluded.line} contradict each other`, fix: 'remove one of the two' });
    }
  }
  const expectedOf = ({ thread, operation }: Fact): { readonly result: ExpectedResult; readonly line: number } | undefined => {
    const { expected, line } = threads[thread].operations[operation];
    return expected === undefined ? undefined : { result: expected, line };
  };
  const contradicts = (fact: Fact, place: string, line: number): Error =>
    mistake(fact.line, { what: `"${fact.text}" of \`${place}\` contradicts the operation`, why: `line ${line} says how the operation always ends`, fix: 'remove the fact, or what stands behind => there' });
  for (const fact of sometimes) {
    const expected = expectedOf(fact);
    if (expected !== undefined && !compatible(expected.result, fact.result)) throw contradicts(fact, 'sometimes', expected.line);
  }
  for (const fact of never) {
    const expected = expectedOf(fact);
    if (expected !== undefined && covers(fact.result, expected.result)) throw contradicts(fact, 'never', expected.line);
  }
}
