/**
 * Words of operations: one line each, and behind `=>` how it must end. Which operations there are is for the grammar of a family to
 * say; what a page, a range, a value and a result look like is the same for all.
 */
import { ERRNOS } from '../model/errno.ts';
import type { ErrnoName } from '../model/errno.ts';
import { TaskFlag } from '../model/tasks.ts';
import type { UserError } from '../model/userError.ts';
import type { Grammar, Pages, Reach, Words } from './grammar.ts';
import type { ExpectedResult, LitmusOperation, LitmusThread } from './litmus.ts';
import { suggestion } from './litmusYaml.ts';
import type { Complaint } from './litmusYaml.ts';

/** What an operation is read with. */
export interface OperationContext {
  readonly line: number;
  readonly pages: number;
  readonly windowsPerProcess: number;
  readonly role: LitmusThread['role'];
  /** Names of the file's threads. */
  readonly threads?: readonly string[];
  /** The slot of a buffer, which gets one at its first mention. */
  readonly slotOf: (buffer: string) => number;
  readonly mistake: (complaint: Complaint) => UserError;
}

/** What a family's grammar has to say of its operations. */
export type OperationGrammar = Pick<Grammar, 'operations' | 'kinds'>;

const PAGE_BYTES = 4096;
/** Pages that operations know of, beyond the end of the file too. */
export const REACH_PAGES = 16;
const BUFFER_NAME = /^[A-Za-z][\w-]*$/;

/** Reads one operation. @throws UserError */
export function readOperation(line: string, context: OperationContext, grammar: OperationGrammar): LitmusOperation {
  const [before, ...results] = line.split('=>');
  const text = before.trim().replace(/\s+/g, ' ');
  const { mistake } = context;
  const { operations, kinds } = grammar;
  const words = text.split(' ');
  const form = operations.find(({ words: head }) => text === head || text.startsWith(`${head} `));
  if (form === undefined) throw mistake({ what: `unknown operation "${text}"`, why: `the operations are ${operations.map((one) => one.words).join(', ')}`, fix: nearestOperation(words, grammar) });
  const malformed = (why: string): UserError => mistake({ what: `malformed operation "${text}"`, why, fix: `its form is: ${form.form}` });
  const { reader, rest } = createReader(words.slice(form.words.split(' ').length), context, malformed);
  const details = form.read(reader);
  if (rest().length > 0) throw malformed(`it does not go on with "${rest().join(' ')}"`);
  if (kinds.guest.has(details.kind) && context.role !== 'vcpu') {
    throw mistake({ what: `"${text}" is no operation of a host thread`, why: 'only vCPUs run the guest, and only they are kicked out of it', fix: 'move it into a thread whose name starts with vcpu' });
  }
  if (results.length > 1) throw malformed('it has more than one =>');
  const operation = { page: 0, count: 1, slot: 0, window: 0, value: 0, flags: 0, ...details, text, line: context.line };
  return results.length === 0 ? operation : { ...operation, expected: parseResult(results[0], operation, context, grammar) };
}

/** Reads what stands behind `=>`. @throws UserError */
export function parseResult(written: string, { kind, text }: Pick<LitmusOperation, 'kind' | 'text'>, { pages, mistake }: Pick<OperationContext, 'pages' | 'mistake'>, { kinds }: Pick<OperationGrammar, 'kinds'>): ExpectedResult {
  const [word, at, page, ...more] = written.trim().split(/\s+/);
  const fix = 'write an errno name, ERRNO at PAGE behind a conversion, or a value behind a read';
  if (word === '') throw mistake({ what: `nothing stands behind the => of "${text}"`, why: 'it says how the operation ends', fix });
  if (/^\d/.test(word)) {
    if (at !== undefined) throw mistake({ what: `malformed result "${written.trim()}"`, why: 'nothing goes behind a value', fix });
    if (!kinds.readers.has(kind)) throw mistake({ what: `"${text}" reads nothing`, why: `so that it cannot end with the value ${word}`, fix: 'write an errno name, such as OK' });
    return { errno: 'OK', value: valueOf(word, 0, mistake) };
  }
  if (!isErrno(word)) throw mistake({ what: `unknown result "${word}"`, why: `an operation ends with ${ERRNOS.join(', ')}, or a read with a value from 0 to 255`, fix: suggestion(word, ERRNOS) });
  if (at === undefined) return { errno: word };
  if (at !== 'at' || page === undefined || !/^\d+$/.test(page) || more.length > 0) throw mistake({ what: `malformed result "${written.trim()}"`, why: `behind ${word} goes nothing, or: at PAGE`, fix });
  if (!kinds.requests.has(kind)) throw mistake({ what: `"${text}" has no error offset`, why: 'only to-private and to-shared say at which page they were refused', fix: `write => ${word}` });
  if (word === 'OK') throw mistake({ what: '"OK at" is no result', why: 'only a conversion that is refused has an error offset', fix: 'write => OK' });
  if (Number(page) >= pages) throw mistake(beyondTheEnd(Number(page), pages));
  return { errno: word, at: Number(page) };
}

const isErrno = (word: string): word is ErrnoName => (ERRNOS as readonly string[]).includes(word);

function valueOf(word: string, least: number, mistake: OperationContext['mistake']): number {
  const value = /^(?:0x[\da-f]+|\d+)$/i.test(word) ? Number(word) : NaN;
  if (!(value >= least && value <= 0xff)) {
    throw mistake({
      what: `"${word}" is no value`,
      why: least === 0 ? 'a page holds one byte, 0 to 255' : `a write leaves 1 to 255: 0 is what an untouched page holds`,
      fix: 'write it in decimals or as 0x..',
    });
  }
  return value;
}

const beyondTheEnd = (page: number, pages: number): Complaint => ({
  what: `page ${page} is beyond the end of the file`,
  why: `the file has ${pages === 1 ? 'one page, 0' : `${pages} pages, 0 to ${pages - 1}`}`,
  fix: page < 8 ? `use a smaller page, or set \`pages: ${page + 1}\` in \`world\`` : 'use a smaller page; a file has up to 8',
});

function nearestOperation(words: readonly string[], { operations }: OperationGrammar): string {
  const heads = operations.map((one) => one.words);
  const [one, two] = [1, 2].map((count) => ({ wanted: words.slice(0, count).join(' '), known: heads.filter((head) => head.split(' ').length === count) }));
  const guess = [one, two].map(({ wanted, known }) => suggestion(wanted, known)).find((fix) => fix.startsWith('did you mean'));
  return guess ?? 'litmus/README.md has an example of each';
}

function createReader(words: readonly string[], context: OperationContext, malformed: (why: string) => UserError): { readonly reader: Words; readonly rest: () => readonly string[] } {
  const { pages, windowsPerProcess, threads = [], mistake } = context;
  let at = 0;
  const next = (expected: string): string => {
    if (at === words.length) throw malformed(`${expected} is missing`);
    return words[at++];
  };
  const take = (word: string): boolean => {
    if (words[at] !== word) return false;
    at++;
    return true;
  };
  const within = (page: number, reach: Reach): void => {
    if (reach === 'file' && page >= pages) throw mistake(beyondTheEnd(page, pages));
    if (page >= REACH_PAGES) throw mistake({ what: `page ${page} is too far beyond the end of the file`, why: `operations reach the pages 0 to ${REACH_PAGES - 1}`, fix: 'use a smaller page' });
  };
  const page = (reach: Reach = 'file'): Pages => {
    const word = next('the page');
    if (word === 'any') return { page: 'any', count: 1 };
    if (!/^\d+$/.test(word)) throw malformed(`"${word}" is no page: a number, or any`);
    within(Number(word), reach);
    return { page: Number(word), count: 1 };
  };
  const range = (reach: Reach = 'file'): Pages => {
    const word = next('the range of pages');
    if (word === 'any') return { page: 'any', count: 1 };
    if (word === 'file') return { page: 0, count: pages };
    const match = /^(\d+)(?:\.\.(\d+))?$/.exec(word);
    if (match === null) throw malformed(`"${word}" is no range of pages: 3, 0..3 (both ends in it), any, or file`);
    const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])];
    if (last < first) throw malformed(`the range ${word} ends before it begins`);
    within(last, reach);
    return { page: first, count: last - first + 1 };
  };
  const reader: Words = {
    take,
    page,
    range,
    expect: (word) => {
      const found = next(`"${word}"`);
      if (found !== word) throw malformed(`"${word}" is expected in place of "${found}"`);
    },
    oneOf: (known) => {
      const found = known.find((word) => word === words[at]);
      if (found !== undefined) at++;
      return found;
    },
    bytesOrRange: () => {
      if (!take('bytes')) return { ...range('beyond'), flags: 0 };
      const word = next('OFFSET+LENGTH');
      const match = /^(\d+)\+(\d+)$/.exec(word);
      if (match === null) throw malformed(`"${word}" is no range of bytes, such as 4096+8192`);
      const [offset, length] = [Number(match[1]), Number(match[2])];
      const first = Math.floor(offset / PAGE_BYTES);
      const end = Math.max(first + 1, Math.ceil((offset + length) / PAGE_BYTES));
      within(end - 1, 'beyond');
      // vfs_fallocate refuses a length of 0 as kvm_gmem_fallocate does a part of a page.
      const unaligned = offset % PAGE_BYTES !== 0 || length % PAGE_BYTES !== 0 || length === 0;
      return { page: first, count: end - first, flags: unaligned ? TaskFlag.Unaligned : 0 };
    },
    buffer: () => {
      const name = next('the name of the buffer');
      if (!BUFFER_NAME.test(name)) throw malformed(`"${name}" is no name of a buffer: letters, digits and -, a letter first`);
      return context.slotOf(name);
    },
    writtenValue: () => (at < words.length && words[at] !== 'through' ? valueOf(words[at++], 1, mistake) : 0),
    window: () => {
      if (!take('through')) return 0;
      const word = next('the number of the mapping');
      if (!/^\d+$/.test(word)) throw malformed(`"${word}" is no number of a mapping`);
      if (Number(word) >= windowsPerProcess) {
        const why = `each process has ${windowsPerProcess}, from 0`;
        throw mistake({ what: `there is no mapping number ${word}`, why, fix: `set \`windows: ${Number(word) + 1}\` in \`world\`, or use a smaller number` });
      }
      return Number(word);
    },
    thread: () => {
      const name = next('the name of a thread');
      const found = threads.indexOf(name);
      if (found < 0) throw mistake({ what: `unknown thread "${name}"`, why: `the threads are ${threads.join(', ')}`, fix: suggestion(name, threads) });
      return found;
    },
  };
  return { reader, rest: () => words.slice(at) };
}
