/**
 * The reader of litmus files, of whatever family. litmus/README.md has the language; src/explore/litmus.ts says what a file means.
 *
 * Every complaint names file and line. Names of policies, checks and sentences are not looked up here: they come back as mentions.
 */
import type { UserError } from '../model/userError.ts';
import type { Check } from '../policies/policy.ts';
import type { ExploredFamily } from './family.ts';
import type { Grammar, StatedWorld, ThreadGrammar } from './grammar.ts';
import { operationsOf } from './litmus.ts';
import type { AnyLitmus, Litmus, LitmusOperation, LitmusThread, LitmusWorldBase } from './litmus.ts';
import { refuseMisusedBuffers } from './litmusBuffers.ts';
import { lookupIn, mentionsOf, parseExpect, parseFacts, parseOutcomes, refuseContradictingFacts } from './litmusExpectations.ts';
import type { Mention } from './litmusExpectations.ts';
import { OPERATIONS_ALONE_MAX, OPERATIONS_MAX, REPEAT_MAX, THREADS_MAX } from './litmusLimits.ts';
import { booleanOf, choiceOf, entriesOf, fieldsOf, integerOf, listOf, mistakeIn, readYaml, suggestion, textOf, wrongKind } from './litmusYaml.ts';
import type { MistakeAt, YamlEntry, YamlNode } from './litmusYaml.ts';
import { readOperation } from './operationWords.ts';
import type { OperationContext } from './operationWords.ts';

export type { Mention } from './litmusExpectations.ts';

const KEYS = ['name', 'question', 'source', 'family', 'world', 'before', 'threads', 'always', 'sometimes', 'never', 'outcomes', 'policies', 'checks', 'expect'] as const;

const THREAD_NAME = /^[A-Za-z][\w-]*$/;

export interface ReadLitmus<L extends LitmusWorldBase> {
  readonly litmus: Litmus<L>;
  /** The names in it that only the caller can know. */
  readonly mentions: readonly Mention[];
}

/**
 * @param families those that there are; the first one is that of a file which says none
 * @param path as the user gave it: messages start with it, and its last part has to be the name of the litmus
 * @throws UserError
 */
export function readLitmusOf<L extends LitmusWorldBase>(families: readonly ExploredFamily[], text: string, path: string): ReadLitmus<L> {
  const mistake = mistakeIn(path);
  const fields = fieldsOf(mistake, readYaml(text, mistake), '', KEYS);
  const required = (key: (typeof KEYS)[number], why: string): YamlNode => {
    const entry = fields.get(key);
    if (entry === undefined) throw mistake(1, { what: `\`${key}\` is missing`, why, fix: `add \`${key}:\`` });
    return entry.node;
  };
  const name = parseName(mistake, required('name', 'it is how the file is called in tables'), path);
  const question = textOf(mistake, required('question', 'a litmus answers one question'), 'question');
  const source = textOf(mistake, required('source', 'a kernel function, a mail, a paper or a selftest says where the question comes from'), 'source');
  const family = parseFamily(mistake, fields.get('family'), families);
  const { grammar } = family;
  const world = parseWorld(mistake, fields.get('world'), grammar);

  const buffers: string[] = [];
  const slotOf = (buffer: string): number => (buffers.includes(buffer) ? buffers.indexOf(buffer) : buffers.push(buffer) - 1);
  const heads = parseThreadHeads(mistake, required('threads', 'somebody has to do something'), grammar.threads);
  const names = heads.map((head) => head.name);
  const operationIn = (role: LitmusThread['role'], node: YamlNode): LitmusOperation => {
    const { line } = node;
    if (node.kind !== 'text' || node.value === null) {
      throw mistake(line, { what: `${node.kind === 'text' ? 'nothing' : `a ${node.kind}`} where an operation is expected`, why: 'an operation is one line of words', fix: 'write one, such as to-private 0' });
    }
    const context: OperationContext = {
      line, role, slotOf, threads: names, pages: world.pages, windowsPerProcess: world.windowsPerProcess, mistake: (complaint) => mistake(line, complaint),
    };
    return readOperation(node.text, context, grammar);
  };
  const before = parseBefore(mistake, fields.get('before'), heads, operationIn);
  const threads = parseThreads(mistake, heads, operationIn);
  refuseMisusedBuffers(mistake, grammar.kinds, buffers, before, threads);

  const factsOf = (place: 'sometimes' | 'never') => {
    const entry = fields.get(place);
    return entry === undefined ? [] : parseFacts(mistake, entry.node, place, threads, world.pages, grammar);
  };
  const sometimes = factsOf('sometimes');
  const never = factsOf('never');
  refuseContradictingFacts(mistake, threads, sometimes, never);
  const expect = parseExpect(mistake, required('expect', 'a litmus file says what it expects'));
  const outcomesEntry = fields.get('outcomes');
  const outcomes = outcomesEntry === undefined ? [] : parseOutcomes(mistake, outcomesEntry.node, threads);
  const policies = parseNames(mistake, fields.get('policies'), 'policies');
  const checks = parseNames(mistake, fields.get('checks'), 'checks');
  const always = parseNames(mistake, fields.get('always'), 'always');
  const litmus: AnyLitmus = {
    family,
    name,
    path,
    question,
    source,
    world: world.finish(operationsOf({ threads, before }), [...sometimes, ...never].some(({ result }) => result.value !== undefined)),
    threads,
    before,
    buffers,
    always: (always ?? family.sentences).map((one) => one.name),
    sometimes,
    never,
    ...(policies === undefined ? {} : { policies: policies.map((one) => one.name) }),
    ...(checks === undefined ? {} : { checks: checks.map((one) => one.name as Check) }),
    expectation: lookupIn(expect),
    outcomes: lookupIn(outcomes),
  };
  const mentions: readonly Mention[] = [
    ...(policies ?? []).map(({ name: policy, line }) => ({ policy, line })),
    ...(checks ?? []).map(({ name: check, line }) => ({ check, line })),
    ...(always ?? []).map(({ name: sentence, line }) => ({ sentence, line })),
    ...mentionsOf(expect),
    ...mentionsOf(outcomes),
  ];
  // The world is that of the family: who asks for another one than the file says has the wrong file.
  return { litmus: litmus as Litmus<L>, mentions: mentions.filter(({ policy, check, sentence }) => (policy ?? check ?? sentence) !== undefined) };
}

/** @throws UserError for a family that there is not */
function parseFamily(mistake: MistakeAt, entry: YamlEntry | undefined, families: readonly ExploredFamily[]): ExploredFamily {
  if (entry === undefined) return families[0];
  const wanted = choiceOf(mistake, entry.node, 'family', families.map(({ name }) => name));
  return families.find(({ name }) => name === wanted) ?? families[0];
}

function parseName(mistake: MistakeAt, node: YamlNode, path: string): string {
  const name = textOf(mistake, node, 'name');
  const file = (path.split(/[/\\]/).at(-1) ?? path).replace(/(?:\.litmus)?\.ya?ml$/, '');
  if (name !== file) throw mistake(node.line, { what: `the name is "${name}" and the file's is "${file}"`, why: 'a litmus is found by its name', fix: `write \`name: ${file}\`, or rename the file` });
  return name;
}

/** A list of names; undefined where the file does not say. */
function parseNames(mistake: MistakeAt, entry: YamlEntry | undefined, place: string): readonly { readonly name: string; readonly line: number }[] | undefined {
  if (entry === undefined) return undefined;
  const names = listOf(mistake, entry.node, place).map((node) => ({ name: textOf(mistake, node, place), line: node.line }));
  if (names.length === 0) throw mistake(entry.line, { what: `\`${place}\` is an empty list`, why: 'it would mean that there is nothing to do', fix: 'leave it out for all of them' });
  const again = names.find(({ name }, at) => names.findIndex((one) => one.name === name) < at);
  if (again !== undefined) throw mistake(again.line, { what: `"${again.name}" stands twice in \`${place}\``, why: 'it would be done twice', fix: 'remove one of them' });
  return names;
}

/* ---- the world ---- */

function parseWorld(mistake: MistakeAt, entry: YamlEntry | undefined, { worldKeys, readWorld }: Grammar): StatedWorld<LitmusWorldBase> {
  const fields: ReadonlyMap<string, YamlEntry> = entry === undefined ? new Map() : fieldsOf(mistake, entry.node, 'world', worldKeys.map(({ key }) => key));
  const read = <Value>(key: string, fallback: Value, parse: (node: YamlNode) => Value): Value => {
    const field = fields.get(key);
    return field === undefined ? fallback : parse(field.node);
  };
  return readWorld({
    mistake,
    lineOf: (key) => fields.get(key)?.line ?? 1,
    read,
    integer: (key, fallback, least, most) => read(key, fallback, (node) => integerOf(mistake, node, key, least, most)),
    boolean: (key, fallback) => read(key, fallback, (node) => booleanOf(mistake, node, key)),
    choice: (key, fallback, known) => read(key, fallback, (node) => choiceOf(mistake, node, key, known)),
  });
}

/* ---- threads ---- */

interface ThreadHead extends Omit<LitmusThread, 'operations'> {
  readonly line: number;
  readonly list: YamlNode;
}
type ReadOperation = (role: LitmusThread['role'], node: YamlNode) => LitmusOperation;

function parseThreadHeads(mistake: MistakeAt, node: YamlNode, { keys, roleOf, processOf }: ThreadGrammar): readonly ThreadHead[] {
  const entries = entriesOf(mistake, node, 'threads');
  if (entries.length === 0) throw mistake(node.line, { what: 'there are no threads', why: 'somebody has to do something', fix: 'add one, such as `vcpu: [to-private 0]`' });
  if (entries.length > THREADS_MAX) {
    throw mistake(entries[THREADS_MAX].line, { what: `there are ${entries.length} threads`, why: `at most ${THREADS_MAX} can be explored`, fix: 'ask the question with fewer' });
  }
  const heads: ThreadHead[] = [];
  for (const { key, line, node: body } of entries) {
    if (!THREAD_NAME.test(key)) throw mistake(line, { what: `"${key}" is no name of a thread`, why: 'facts say THREAD.N', fix: 'use letters, digits and -, a letter first' });
    const role = roleOf(key, heads, (complaint): UserError => mistake(line, complaint));
    const fields: ReadonlyMap<string, YamlEntry> = body.kind === 'map' ? fieldsOf(mistake, body, key, [...keys, 'do']) : new Map();
    const process = processOf({ name: key, role }, fields, mistake, line);
    const list = body.kind === 'map' ? fields.get('do')?.node : body;
    if (list === undefined) throw mistake(line, { what: `the thread "${key}" does nothing`, why: 'its operations stand under `do`', fix: 'add `do:` with a list; an empty one is `do: []`' });
    heads.push({ name: key, role, process, line, list });
  }
  return heads;
}

function parseBefore(mistake: MistakeAt, entry: YamlEntry | undefined, heads: readonly ThreadHead[], operationIn: ReadOperation): AnyLitmus['before'] {
  if (entry === undefined) return [];
  const names = heads.map(({ name }) => name);
  return listOf(mistake, entry.node, 'before').map((item) => {
    const [first, second] = entriesOf(mistake, item, 'before');
    if (first === undefined) throw wrongKind(mistake, item, 'before', 'a list of THREAD: OPERATION');
    if (second !== undefined) {
      throw mistake(second.line, { what: 'two operations in one item of `before`', why: 'they run one after the other', fix: 'write each as an item of its own: - THREAD: OPERATION' });
    }
    const thread = names.indexOf(first.key);
    if (thread < 0) throw mistake(first.line, { what: `unknown thread "${first.key}"`, why: `the threads are ${names.join(', ')}`, fix: suggestion(first.key, names) });
    return { thread, operation: operationIn(heads[thread].role, first.node) };
  });
}

function parseThreads(mistake: MistakeAt, heads: readonly ThreadHead[], operationIn: ReadOperation): readonly LitmusThread[] {
  const most = heads.length === 1 ? OPERATIONS_ALONE_MAX : OPERATIONS_MAX;
  const threads = heads.map(({ name, role, process, line, list }) => {
    const operations: LitmusOperation[] = [];
    const add = (nodes: readonly YamlNode[], depth: number): void => {
      for (const node of nodes) {
        if (node.kind !== 'map') operations.push(operationIn(role, node));
        else for (let round = repeatOf(mistake, node, depth); round > 0; round--) add(bodyOf(mistake, node), depth + 1);
        if (operations.length > most) {
          throw mistake(node.line, { what: `the thread "${name}" has more than ${most} operations`, why: 'repeats are written out, and every interleaving of them is explored', fix: 'ask the question with fewer, or move some to `before`' });
        }
      }
    };
    add(listOf(mistake, list, name), 0);
    return { thread: { name, role, process, operations }, line };
  });
  if (threads.every(({ thread }) => thread.operations.length === 0)) {
    throw mistake(threads[0].line, { what: 'no thread does anything', why: 'somebody has to', fix: 'add an operation, such as `vcpu: [to-private 0]`' });
  }
  return threads.map(({ thread }) => thread);
}

const REPEAT_KEYS = ['repeat', 'do'] as const;

function repeatOf(mistake: MistakeAt, node: YamlNode, depth: number): number {
  if (!entriesOf(mistake, node, 'repeat').some(({ key }) => (REPEAT_KEYS as readonly string[]).includes(key))) {
    throw mistake(node.line, { what: 'a map where an operation is expected', why: 'an operation is one line of words, and the only map is a repeat', fix: 'write the operation without a colon, or `repeat: N` and `do:`' });
  }
  const count = fieldsOf(mistake, node, 'repeat', REPEAT_KEYS).get('repeat');
  if (count === undefined) throw mistake(node.line, { what: '`do` without `repeat`', why: 'a list of its own is for what is repeated', fix: 'add `repeat: N`' });
  if (depth > 2) throw mistake(node.line, { what: 'repeats more than three deep', why: 'they are written out', fix: 'write them flat' });
  return integerOf(mistake, count.node, 'repeat', 1, REPEAT_MAX);
}

function bodyOf(mistake: MistakeAt, node: YamlNode): readonly YamlNode[] {
  const body = fieldsOf(mistake, node, 'repeat', REPEAT_KEYS).get('do');
  if (body === undefined) throw mistake(node.line, { what: '`repeat` without `do`', why: 'nothing to repeat', fix: 'add `do:` with a list of operations' });
  return listOf(mistake, body.node, 'do');
}
