/**
 * Operations of the litmus language: one line of words each, and behind `=>` how it must end.
 *
 * `OPERATIONS` has them all with their forms; litmus/README.md has an example of each.
 */
import { ERRNOS } from '../model/errno.ts';
import type { ErrnoName } from '../model/errno.ts';
import { TaskFlag } from '../model/tasks.ts';
import type { UserError } from '../model/userError.ts';
import { Access } from '../workloads/workload.ts';
import type { AccessKind } from '../workloads/workload.ts';
import type { ExpectedResult, LitmusOperation } from './litmus.ts';
import { suggestion } from './litmusYaml.ts';
import type { Complaint } from './litmusYaml.ts';

/** What an operation is read with. */
export interface OperationContext {
  readonly line: number;
  readonly pages: number;
  readonly windowsPerProcess: number;
  readonly role: 'vcpu' | 'vmm';
  /** The slot of a buffer, which gets one at its first mention. */
  readonly slotOf: (buffer: string) => number;
  readonly mistake: (complaint: Complaint) => UserError;
}

export interface OperationForm {
  /** The words that it starts with. */
  readonly words: string;
  /** RANGE = `3`, `0..3`, `any` or `file`; PAGE = `3` or `any`. */
  readonly form: string;
  readonly read: (words: Words) => Details;
}

type Details = Pick<LitmusOperation, 'kind'> & Partial<Pick<LitmusOperation, 'page' | 'count' | 'slot' | 'window' | 'value' | 'flags'>>;
type Pages = Pick<LitmusOperation, 'page' | 'count'>;

/** The words behind those that name the operation, read from left to right. */
interface Words {
  /** The next word is this one, and taken. */
  readonly take: (word: string) => boolean;
  readonly expect: (word: string) => void;
  /** The next word is one of these, and taken. */
  readonly oneOf: <Word extends string>(known: readonly Word[]) => Word | undefined;
  readonly page: (reach?: Reach) => Pages;
  readonly range: (reach?: Reach) => Pages;
  /** `bytes OFFSET+LENGTH`, as pages and flags. */
  readonly bytesOrRange: () => Pages & Pick<LitmusOperation, 'flags'>;
  readonly buffer: () => number;
  /** The content of a write; 0 where there is none. */
  readonly writtenValue: () => number;
  /** `through N`. */
  readonly window: () => number;
}
/** Whether an operation's pages may lie beyond the end of the file. */
type Reach = 'file' | 'beyond';

const PAGE_BYTES = 4096;
/** Pages that operations know of, beyond the end of the file too. */
export const REACH_PAGES = 16;
const BUFFER_NAME = /^[A-Za-z][\w-]*$/;

export const OPERATIONS: readonly OperationForm[] = [
  { words: 'guest read', form: 'guest read PAGE', read: ({ page }) => ({ kind: Access.GuestRead, ...page() }) },
  { words: 'guest write', form: 'guest write PAGE [VALUE]', read: ({ page, writtenValue }) => ({ kind: Access.GuestWrite, ...page(), value: writtenValue() }) },
  { words: 'host read', form: 'host read PAGE [through N]', read: ({ page, window }) => ({ kind: Access.HostRead, ...page('beyond'), window: window() }) },
  {
    words: 'host write',
    form: 'host write PAGE [VALUE] [through N]',
    read: ({ page, writtenValue, window }) => ({ kind: Access.HostWrite, ...page('beyond'), value: writtenValue(), window: window() }),
  },
  { words: 'to-private', form: 'to-private RANGE', read: ({ range }) => ({ kind: Access.ToPrivate, ...range() }) },
  { words: 'to-shared', form: 'to-shared RANGE', read: ({ range }) => ({ kind: Access.ToShared, ...range() }) },
  { words: 'to-read-only', form: 'to-read-only RANGE', read: ({ range }) => ({ kind: Access.ToReadOnly, ...range() }) },
  { words: 'pin', form: 'pin RANGE as NAME [short|long-term|get] [read|write] [fast|slow]', read: readPin },
  { words: 'vmsplice', form: 'vmsplice RANGE as NAME', read: ({ range, expect, buffer }) => ({ kind: Access.Splice, ...range(), slot: (expect('as'), buffer()) }) },
  { words: 'access', form: 'access NAME', read: ({ buffer }) => ({ kind: Access.DeviceAccess, slot: buffer() }) },
  { words: 'unpin', form: 'unpin NAME', read: ({ buffer }) => ({ kind: Access.Unpin, slot: buffer() }) },
  { words: 'io', form: 'io RANGE', read: ({ range }) => ({ kind: Access.Io, ...range() }) },
  { words: 'copy', form: 'copy RANGE', read: ({ range }) => ({ kind: Access.Copy, ...range() }) },
  { words: 'punch', form: 'punch RANGE|bytes OFFSET+LENGTH', read: ({ bytesOrRange }) => ({ kind: Access.Punch, ...bytesOrRange() }) },
  { words: 'allocate', form: 'allocate RANGE|bytes OFFSET+LENGTH', read: ({ bytesOrRange }) => ({ kind: Access.Allocate, ...bytesOrRange() }) },
  {
    words: 'mmap',
    form: 'mmap RANGE [private] [through N]',
    read: ({ range, take, window }) => ({ kind: Access.Map, ...range('beyond'), flags: take('private') ? TaskFlag.CopyOnWrite : 0, window: window() }),
  },
  { words: 'munmap', form: 'munmap RANGE [through N]', read: ({ range, window }) => ({ kind: Access.Unmap, ...range('beyond'), window: window() }) },
  { words: 'fork', form: 'fork [reads PAGE]', read: ({ take, page }) => ({ kind: Access.Fork, ...(take('reads') ? page() : {}) }) },
  { words: 'close', form: 'close', read: () => ({ kind: Access.Close }) },
  { words: 'secondary map', form: 'secondary map PAGE', read: ({ page }) => ({ kind: Access.SecondaryMap, ...page() }) },
  { words: 'secondary access', form: 'secondary access PAGE', read: ({ page }) => ({ kind: Access.SecondaryAccess, ...page() }) },
];

/** Kinds that deliver a content, so that `=> VALUE` can stand behind them. */
const READERS: ReadonlySet<AccessKind> = new Set([Access.GuestRead, Access.HostRead, Access.DeviceAccess, Access.Copy, Access.Fork, Access.SecondaryAccess]);
const CONVERSIONS: ReadonlySet<AccessKind> = new Set([Access.ToPrivate, Access.ToShared, Access.ToReadOnly]);
const GUEST: ReadonlySet<AccessKind> = new Set([Access.GuestRead, Access.GuestWrite]);

/** Kinds that fill a buffer with references. */
export const FILLERS: ReadonlySet<AccessKind> = new Set([Access.PinShort, Access.PinLong, Access.Splice]);

function readPin({ range, expect, buffer, oneOf }: Words): Details {
  const pages = range();
  expect('as');
  const slot = buffer();
  const kind = { short: Access.PinShort, 'long-term': Access.PinLong, get: Access.Splice }[oneOf(['short', 'long-term', 'get']) ?? 'short'];
  const readOnly = oneOf(['read', 'write']) === 'read' ? TaskFlag.ReadOnly : 0;
  const path = { fast: TaskFlag.FastOnly, slow: TaskFlag.SlowOnly, both: 0 }[oneOf(['fast', 'slow']) ?? 'both'];
  return { kind, ...pages, slot, flags: readOnly | path };
}

/** Reads one operation. @throws UserError */
export function parseOperation(line: string, context: OperationContext): LitmusOperation {
  const [before, ...results] = line.split('=>');
  const text = before.trim().replace(/\s+/g, ' ');
  const { mistake } = context;
  const words = text.split(' ');
  const form = OPERATIONS.find(({ words: head }) => text === head || text.startsWith(`${head} `));
  if (form === undefined) throw mistake({ what: `unknown operation "${text}"`, why: `the operations are ${OPERATIONS.map((one) => one.words).join(', ')}`, fix: nearestOperation(words) });
  const malformed = (why: string): UserError => mistake({ what: `malformed operation "${text}"`, why, fix: `its form is: ${form.form}` });
  const { reader, rest } = createReader(words.slice(form.words.split(' ').length), context, malformed);
  const details = form.read(reader);
  if (rest().length > 0) throw malformed(`it does not go on with "${rest().join(' ')}"`);
  if (GUEST.has(details.kind) && context.role !== 'vcpu') {
    throw mistake({ what: `"${text}" is no operation of a host thread`, why: 'only vCPUs run the guest, and only they are kicked out of it', fix: 'move it into a thread whose name starts with vcpu' });
  }
  if (results.length > 1) throw malformed('it has more than one =>');
  const operation = { page: 0, count: 1, slot: 0, window: 0, value: 0, flags: 0, ...details, text, line: context.line };
  return results.length === 0 ? operation : { ...operation, expected: parseResult(results[0], operation, context) };
}

/** Reads what stands behind `=>`. @throws UserError */
export function parseResult(written: string, { kind, text }: Pick<LitmusOperation, 'kind' | 'text'>, { pages, mistake }: Pick<OperationContext, 'pages' | 'mistake'>): ExpectedResult {
  const [word, at, page, ...more] = written.trim().split(/\s+/);
  const fix = 'write an errno name, ERRNO at PAGE behind a conversion, or a value behind a read';
  if (word === '') throw mistake({ what: `nothing stands behind the => of "${text}"`, why: 'it says how the operation ends', fix });
  if (/^\d/.test(word)) {
    if (at !== undefined) throw mistake({ what: `malformed result "${written.trim()}"`, why: 'nothing goes behind a value', fix });
    if (!READERS.has(kind)) throw mistake({ what: `"${text}" reads nothing`, why: `so that it cannot end with the value ${word}`, fix: 'write an errno name, such as OK' });
    return { errno: 'OK', value: valueOf(word, 0, mistake) };
  }
  if (!isErrno(word)) throw mistake({ what: `unknown result "${word}"`, why: `an operation ends with ${ERRNOS.join(', ')}, or a read with a value from 0 to 255`, fix: suggestion(word, ERRNOS) });
  if (at === undefined) return { errno: word };
  if (at !== 'at' || page === undefined || !/^\d+$/.test(page) || more.length > 0) throw mistake({ what: `malformed result "${written.trim()}"`, why: `behind ${word} goes nothing, or: at PAGE`, fix });
  if (!CONVERSIONS.has(kind)) throw mistake({ what: `"${text}" has no error offset`, why: 'only to-private and to-shared say at which page they were refused', fix: `write => ${word}` });
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

function nearestOperation(words: readonly string[]): string {
  const heads = OPERATIONS.map((one) => one.words);
  const [one, two] = [1, 2].map((count) => ({ wanted: words.slice(0, count).join(' '), known: heads.filter((head) => head.split(' ').length === count) }));
  const guess = [one, two].map(({ wanted, known }) => suggestion(wanted, known)).find((fix) => fix.startsWith('did you mean'));
  return guess ?? 'litmus/README.md has an example of each';
}

function createReader(words: readonly string[], context: OperationContext, malformed: (why: string) => UserError): { readonly reader: Words; readonly rest: () => readonly string[] } {
  const { pages, windowsPerProcess, mistake } = context;
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
  };
  return { reader, rest: () => words.slice(at) };
}
