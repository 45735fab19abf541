/**
 * The reader of litmus files. litmus/README.md has the language; src/explore/litmus.ts says what a file means.
 *
 * Every complaint names file and line. Names of policies, checks and sentences are not looked up here: they come back as mentions.
 */
import { CONTENT_RULES } from '../model/shape.ts';
import type { ContentRule } from '../model/shape.ts';
import type { Check } from '../policies/policy.ts';
import type { Litmus, LitmusOperation, LitmusThread, LitmusWorld } from './litmus.ts';
import { refuseMisusedBuffers } from './litmusBuffers.ts';
import { lookupIn, mentionsOf, parseExpect, parseFacts, parseOutcomes, refuseContradictingFacts } from './litmusExpectations.ts';
import type { Mention } from './litmusExpectations.ts';
import { parseOperation } from './litmusOperations.ts';
import type { OperationContext } from './litmusOperations.ts';
import { booleanOf, choiceOf, entriesOf, fieldsOf, integerOf, listOf, mistakeIn, readYaml, suggestion, textOf, wrongKind } from './litmusYaml.ts';
import type { MistakeAt, YamlEntry, YamlNode } from './litmusYaml.ts';
import { sentences } from './sentences.ts';

export type { Mention } from './litmusExpectations.ts';

const KEYS = ['name', 'question', 'source', 'world', 'before', 'threads', 'always', 'sometimes', 'never', 'outcomes', 'policies', 'checks', 'expect'] as const;
const WORLD_KEYS = [
  'pages', 'order', 'region-order', 'large-backing', 'gigantic-order', 'pmd-mappings', 'start', 'mmap', 'content', 'flush', 'lru-batch', 'lazy', 'windows',
  'spare-folios', 'patience',
] as const;

export const PAGES_MAX = 8;
export const THREADS_MAX = 6;
/** Operations of a thread beside others. A thread alone races with nobody, and has room for a whole selftest. */
export const OPERATIONS_MAX = 24;
export const OPERATIONS_ALONE_MAX = 96;
const REPEAT_MAX = 8;
/** The count of attempts goes no further. */
const PATIENCE_MAX = 7;

const THREAD_NAME = /^[A-Za-z][\w-]*$/;

/** @param path as the user gave it: messages start with it, and its last part has to be the name of the litmus @throws UserError */
export function parseLitmus(text: string, path: string): Litmus {
  return readLitmus(text, path).litmus;
}

/** The litmus, and the names in it that only the caller can know. @throws UserError */
export function readLitmus(text: string, path: string): { readonly litmus: Litmus; readonly mentions: readonly Mention[] } {
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
  const world = parseWorld(mistake, fields.get('world'));

  const buffers: string[] = [];
  const slotOf = (buffer: string): number => (buffers.includes(buffer) ? buffers.indexOf(buffer) : buffers.push(buffer) - 1);
  const operationIn = (role: LitmusThread['role'], node: YamlNode): LitmusOperation => {
    const { line } = node;
    if (node.kind !== 'text' || node.value === null) {
      throw mistake(line, { what: `${node.kind === 'text' ? 'nothing' : `a ${node.kind}`} where an operation is expected`, why: 'an operation is one line of words', fix: 'write one, such as to-private 0' });
    }
    const context: OperationContext = {
      line, role, slotOf, pages: world.pages, windowsPerProcess: world.windowsPerProcess, mistake: (complaint) => mistake(line, complaint),
    };
    return parseOperation(node.text, context);
  };
  const heads = parseThreadHeads(mistake, required('threads', 'somebody has to do something'));
  const before = parseBefore(mistake, fields.get('before'), heads, operationIn);
  const threads = parseThreads(mistake, heads, operationIn);
  refuseMisusedBuffers(mistake, buffers, before, threads);

  const factsOf = (place: 'sometimes' | 'never') => {
    const entry = fields.get(place);
    return entry === undefined ? [] : parseFacts(mistake, entry.node, place, threads, world.pages);
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
  const all = [...threads.flatMap(({ operations }) => operations), ...before.map(({ operation }) => operation)];
  const litmus: Litmus = {
    name,
    path,
    question,
    source,
    world: { ...world, content: contentOf(mistake, world.content, all, [...sometimes, ...never].some(({ result }) => result.value !== undefined)) },
    threads,
    before,
    buffers,
    always: (always ?? sentences).map((one) => one.name),
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
  return { litmus, mentions: mentions.filter(({ policy, check, sentence }) => (policy ?? check ?? sentence) !== undefined) };
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

/** The world; its `content` is undefined where the file does not say. */
type StatedWorld = Omit<LitmusWorld, 'content'> & { readonly content: ContentRule | undefined };

function parseWorld(mistake: MistakeAt, entry: YamlEntry | undefined): StatedWorld {
  const fields: ReadonlyMap<string, YamlEntry> = entry === undefined ? new Map() : fieldsOf(mistake, entry.node, 'world', WORLD_KEYS);
  type Key = (typeof WORLD_KEYS)[number];
  const read = <Value>(key: Key, fallback: Value, parse: (node: YamlNode) => Value): Value => {
    const field = fields.get(key);
    return field === undefined ? fallback : parse(field.node);
  };
  const integer = (key: Key, fallback: number, least: number, most: number): number => read(key, fallback, (node) => integerOf(mistake, node, key, least, most));
  const boolean = (key: Key, fallback: boolean): boolean => read(key, fallback, (node) => booleanOf(mistake, node, key));
  const pages = integer('pages', 2, 1, PAGES_MAX);
  const folioOrder = integer('order', 0, 0, 2);
  if (pages % (1 << folioOrder) !== 0) {
    throw mistake(fields.get('order')?.line ?? 1, {
      what: `${pages} page${pages === 1 ? '' : 's'} cannot be made of folios of order ${folioOrder}`,
      why: `a folio has ${1 << folioOrder} pages, and the file is made of whole ones`,
      fix: `set \`pages\` to a multiple of ${1 << folioOrder}, or \`order\` lower`,
    });
  }
  const regionOrder = integer('region-order', 1, 0, 3);
  const largeBacking = boolean('large-backing', false);
  const giganticOrder = integer('gigantic-order', 0, 0, 3);
  if (giganticOrder > 0 && (!largeBacking || giganticOrder <= regionOrder || giganticOrder < folioOrder)) {
    throw mistake(fields.get('gigantic-order')?.line ?? 1, {
      what: `\`gigantic-order\` ${giganticOrder} goes with no memory of this world`,
      why: `a gigantic leaf needs large backing, more pages than a region (order ${regionOrder}), and as many as a folio (order ${folioOrder})`,
      fix: 'add `large-backing: true`, and set `gigantic-order` higher or the other orders lower',
    });
  }
  const pmdMappings = boolean('pmd-mappings', false);
  if (pmdMappings && (regionOrder === 0 || folioOrder < regionOrder)) {
    throw mistake(fields.get('pmd-mappings')?.line ?? 1, {
      what: `no PMD can map a folio of order ${folioOrder} in regions of order ${regionOrder}`,
      why: 'a PMD maps all pages of a region, which are more than one and of one folio',
      fix: regionOrder === 0 ? 'set `region-order` to 1 or more, and `order` to as much' : `set \`order\` to ${regionOrder} or more`,
    });
  }
  return {
    pages,
    folioOrder,
    regionOrder,
    largeBacking,
    giganticOrder,
    pmdMappings,
    shared: read<readonly boolean[]>('start', Array.from({ length: pages }, () => true), (node) => parseStart(mistake, node, pages)),
    mmap: boolean('mmap', true),
    content: read<ContentRule | undefined>('content', undefined, (node) => choiceOf(mistake, node, 'content', CONTENT_RULES)),
    flush: read<'ipi' | 'broadcast'>('flush', 'ipi', (node) => choiceOf(mistake, node, 'flush', ['ipi', 'broadcast'])),
    lruBatch: integer('lru-batch', 0, 0, 31),
    lazy: boolean('lazy', false),
    windowsPerProcess: integer('windows', 1, 1, 4),
    spareFolios: integer('spare-folios', 2, 0, 8),
    patience: read('patience', 0, (node) => parsePatience(mistake, node)),
  };
}

function parsePatience(mistake: MistakeAt, node: YamlNode): number {
  if (node.kind !== 'text') throw wrongKind(mistake, node, 'patience', `a whole number from 0 to ${PATIENCE_MAX}, or forever`);
  const { text, value } = node;
  if (value === 'forever') return Infinity;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= PATIENCE_MAX) return value;
  throw mistake(node.line, {
    what: `\`patience\` is "${text}"`,
    why: `it is how often the VMM repeats a request that was refused: 0 to ${PATIENCE_MAX}, or forever`,
    fix: typeof value === 'number' && value > PATIENCE_MAX ? 'write forever' : 'write a number or forever',
  });
}

const SIDES = ['shared', 'private'] as const;

function parseStart(mistake: MistakeAt, node: YamlNode, pages: number): readonly boolean[] {
  if (node.kind !== 'list') {
    const shared = choiceOf(mistake, node, 'start', SIDES) === 'shared';
    return Array.from({ length: pages }, () => shared);
  }
  if (node.items.length !== pages) {
    throw mistake(node.line, { what: `\`start\` lists ${node.items.length} pages`, why: `the file has ${pages}`, fix: 'write shared or private once for each page, or once for all' });
  }
  return node.items.map((item) => choiceOf(mistake, item, 'start', SIDES) === 'shared');
}

/** The file's rule, or: contents are kept where somebody compares or writes one. */
function contentOf(mistake: MistakeAt, stated: ContentRule | undefined, operations: readonly LitmusOperation[], comparedByFacts: boolean): ContentRule {
  const valued = operations.find(({ value, expected }) => value !== 0 || expected?.value !== undefined);
  if (stated === 'none' && valued !== undefined) {
    throw mistake(valued.line, { what: `"${valued.text}" has a value`, why: '`content: none` keeps none', fix: 'set `content` to preserve, zero or scramble, or leave the value out' });
  }
  return stated ?? (valued !== undefined || comparedByFacts ? 'preserve' : 'none');
}

/* ---- threads ---- */

interface ThreadHead extends Omit<LitmusThread, 'operations'> {
  readonly line: number;
  readonly list: YamlNode;
}
type ReadOperation = (role: LitmusThread['role'], node: YamlNode) => LitmusOperation;

function parseThreadHeads(mistake: MistakeAt, node: YamlNode): readonly ThreadHead[] {
  const entries = entriesOf(mistake, node, 'threads');
  if (entries.length === 0) throw mistake(node.line, { what: 'there are no threads', why: 'somebody has to do something', fix: 'add one, such as `vcpu: [to-private 0]`' });
  if (entries.length > THREADS_MAX) {
    throw mistake(entries[THREADS_MAX].line, { what: `there are ${entries.length} threads`, why: `at most ${THREADS_MAX} can be explored`, fix: 'ask the question with fewer' });
  }
  let host: string | undefined;
  return entries.map(({ key, line, node: body }) => {
    if (!THREAD_NAME.test(key)) throw mistake(line, { what: `"${key}" is no name of a thread`, why: 'facts say THREAD.N', fix: 'use letters, digits and -, a letter first' });
    const role = key.startsWith('vcpu') ? 'vcpu' : 'vmm';
    if (role === 'vmm') host ??= key;
    else if (host !== undefined) throw mistake(line, { what: `the vCPU "${key}" comes after the host thread "${host}"`, why: 'vCPUs come first', fix: `move "${key}" up, or call it something that does not start with vcpu` });
    if (body.kind !== 'map') return { name: key, role, process: 0, line, list: body };
    const fields = fieldsOf(mistake, body, key, ['process', 'do']);
    const processNode = fields.get('process')?.node;
    const process = processNode === undefined ? 0 : integerOf(mistake, processNode, 'process', 0, THREADS_MAX - 1);
    if (role === 'vcpu' && process !== 0) throw mistake(processNode?.line ?? line, { what: `the vCPU "${key}" is in process ${process}`, why: 'vCPUs are threads of the VMM, process 0', fix: 'leave `process` out' });
    const list = fields.get('do');
    if (list === undefined) throw mistake(line, { what: `the thread "${key}" does nothing`, why: 'its operations stand under `do`', fix: 'add `do:` with a list; an empty one is `do: []`' });
    return { name: key, role, process, line, list: list.node };
  });
}

function parseBefore(mistake: MistakeAt, entry: YamlEntry | undefined, heads: readonly ThreadHead[], operationIn: ReadOperation): Litmus['before'] {
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
