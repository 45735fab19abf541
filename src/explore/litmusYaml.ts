/**
 * YAML as a tree in which every node knows its line, so that each complaint about a litmus file names the line that it is about.
 *
 * Only plain data: anchors, aliases, tags and merge keys are refused. Keys are words, and stand once.
 */
import { LineCounter, isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml';
import type { Node, YAMLError } from 'yaml';
import { UserError, nearestNames } from '../model/userError.ts';

export interface Complaint {
  readonly what: string;
  readonly why: string;
  readonly fix: string;
}

/** The mistake of somebody at a line of the file. */
export type MistakeAt = (line: number, complaint: Complaint) => UserError;

export interface YamlText {
  readonly kind: 'text';
  readonly line: number;
  /** As it stands in the file, without quotes. */
  readonly text: string;
  /** What YAML makes of it: a string, number, boolean or null. */
  readonly value: unknown;
}
export interface YamlList {
  readonly kind: 'list';
  readonly line: number;
  readonly items: readonly YamlNode[];
}
export interface YamlEntry {
  readonly key: string;
  readonly line: number;
  readonly node: YamlNode;
}
export interface YamlMap {
  readonly kind: 'map';
  readonly line: number;
  readonly entries: readonly YamlEntry[];
}
export type YamlNode = YamlText | YamlList | YamlMap;

/** Deeper than any litmus file goes. */
const DEPTH_MAX = 16;

export const mistakeIn = (path: string): MistakeAt => (line, { what, why, fix }) => new UserError({ what: `${path}:${line}: ${what}`, why, fix });

/** Reads a text as YAML. @throws UserError for what is not YAML, or more of it than a litmus file needs */
export function readYaml(text: string, mistake: MistakeAt): YamlNode {
  const lineCounter = new LineCounter();
  const lineCount = Math.max(1, text.trimEnd().split('\n').length);
  const lineAt = (offset: number): number => Math.min(lineCount, Math.max(1, lineCounter.linePos(offset).line));
  // Keys that stand twice are told below, with both lines.
  const document = parseDocument(text, { lineCounter, prettyErrors: false, stringKeys: true, uniqueKeys: false, version: '1.2' });
  const [first] = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0]);
  if (first !== undefined) throw mistake(lineAt(first.pos[0]), syntaxComplaint(first));
  if (document.contents === null) throw mistake(1, { what: 'the file is empty', why: 'a litmus file says at least its name, question, source, threads and expect', fix: 'start from a file of the library' });

  const convert = (node: Node | null, fallback: number, depth: number): YamlNode => {
    if (node === null) return { kind: 'text', line: fallback, text: '', value: null };
    const line = node.range ? lineAt(node.range[0]) : fallback;
    if (depth > DEPTH_MAX) throw mistake(line, { what: `more than ${DEPTH_MAX} levels in each other`, why: 'no key has so many', fix: 'remove the brackets or indents' });
    if (isAlias(node) || ('anchor' in node && node.anchor !== undefined) || node.tag !== undefined) {
      throw mistake(line, {
        what: 'anchors (&), aliases (*) and tags (!) are not part of the language',
        why: 'a litmus file is plain data',
        fix: `write it out, or in quotes where a text is meant, such as '*'`,
      });
    }
    if (isScalar(node)) return { kind: 'text', line, text: typeof node.value === 'string' ? node.value : (node.source ?? String(node.value)), value: node.value };
    if (isSeq(node)) return { kind: 'list', line, items: node.items.map((item) => convert(item as Node | null, line, depth + 1)) };
    if (!isMap(node)) throw mistake(line, { what: 'this is neither a text, a list nor a map', why: 'a litmus file has nothing else', fix: 'write it as one of them' });
    const lines = new Map<string, number>();
    const entries = node.items.map(({ key, value }): YamlEntry => {
      const keyLine = isScalar(key) && key.range ? lineAt(key.range[0]) : line;
      const name = isScalar(key) ? String(key.value) : '';
      const earlier = lines.get(name);
      if (earlier !== undefined) throw mistake(keyLine, { what: `the key "${name}" stands twice`, why: `line ${earlier} has it already`, fix: 'keep one of the two' });
      lines.set(name, keyLine);
      return { key: name, line: keyLine, node: convert(value as Node | null, keyLine, depth + 1) };
    });
    return { kind: 'map', line, entries };
  };
  return convert(document.contents, 1, 0);
}

function syntaxComplaint({ code, message }: YAMLError): Complaint {
  if (code === 'BAD_ALIAS' || code === 'NON_STRING_KEY') {
    return { what: 'a * or another sign of YAML without quotes', why: 'YAML takes it for something else than a word', fix: `put it in quotes: '*': proved` };
  }
  if (code === 'MULTIPLE_DOCS') return { what: 'a second YAML document', why: 'a litmus file is one', fix: 'remove the line ---, or make two files of it' };
  return {
    what: 'this is not YAML',
    why: message.replace(/\s+/g, ' '),
    fix: 'mend the syntax; put quotes around a text with ": " or " #" in it, or with a * or a | at its start',
  };
}

/** What a node is, in words. */
function described(node: YamlNode): string {
  if (node.kind !== 'text') return `a ${node.kind}`;
  return node.value === null ? 'nothing' : `"${node.text}"`;
}

export const wrongKind = (mistake: MistakeAt, node: YamlNode, place: string, expected: string, fix = 'litmus/README.md has an example'): UserError =>
  mistake(node.line, { what: `${place === '' ? 'the file' : `\`${place}\``} is ${described(node)}`, why: `it must be ${expected}`, fix });

/** "did you mean ...?", for a message that has told what is known. */
export function suggestion(wanted: string, known: readonly string[]): string {
  const [near] = nearestNames(wanted, known);
  return near === undefined ? 'use one of them' : `did you mean "${near}"?`;
}

export function entriesOf(mistake: MistakeAt, node: YamlNode, place: string): readonly YamlEntry[] {
  if (node.kind !== 'map') throw wrongKind(mistake, node, place, 'a map');
  return node.entries;
}

/** A map with known keys only. */
export function fieldsOf(mistake: MistakeAt, node: YamlNode, place: string, known: readonly string[]): ReadonlyMap<string, YamlEntry> {
  const entries = entriesOf(mistake, node, place);
  for (const { key, line } of entries) {
    if (!known.includes(key)) {
      throw mistake(line, { what: `unknown key "${key}"${place === '' ? '' : ` in \`${place}\``}`, why: `the keys are ${known.join(', ')}`, fix: suggestion(key, known) });
    }
  }
  return new Map(entries.map((entry) => [entry.key, entry]));
}

export function listOf(mistake: MistakeAt, node: YamlNode, place: string): readonly YamlNode[] {
  if (node.kind !== 'list') throw wrongKind(mistake, node, place, 'a list');
  return node.items;
}

/** A text of one line, with no blanks around it. */
export function textOf(mistake: MistakeAt, node: YamlNode, place: string): string {
  if (node.kind !== 'text' || typeof node.value !== 'string' || node.value.trim() === '') {
    throw wrongKind(mistake, node, place, 'a text', node.kind === 'text' && node.value !== null && node.value !== '' ? 'put it in quotes' : 'write some words');
  }
  return node.value.trim().replace(/\s+/g, ' ');
}

export function integerOf(mistake: MistakeAt, node: YamlNode, place: string, least: number, most: number): number {
  const value = node.kind === 'text' ? node.value : undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) throw wrongKind(mistake, node, place, `a whole number from ${least} to ${most}`);
  return value;
}

export function booleanOf(mistake: MistakeAt, node: YamlNode, place: string): boolean {
  if (node.kind !== 'text' || typeof node.value !== 'boolean') throw wrongKind(mistake, node, place, 'true or false');
  return node.value;
}

export function choiceOf<Name extends string>(mistake: MistakeAt, node: YamlNode, place: string, known: readonly Name[]): Name {
  const found = node.kind === 'text' ? known.find((name) => name === node.text) : undefined;
  if (found === undefined) {
    throw mistake(node.line, { what: `\`${place}\` is ${described(node)}`, why: `it must be one of ${known.join(', ')}`, fix: suggestion(node.kind === 'text' ? node.text : '', known) });
  }
  return found;
}
