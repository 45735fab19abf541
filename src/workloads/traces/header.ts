/**
 * The header of a trace: `# key: value` lines, then the line that names the columns.
 *
 * Whatever the reader needs must be there once and make sense; other keys are for people and are skipped.
 */
import { damaged, shown } from './damage.ts';
import { DIGITS_MAX, DMA_COLUMNS, FORMAT, GUEST_PAGES_MAX, INITIAL_STATES, PAGE_BYTES, TOUCH_COLUMNS, VCPUS_MAX, type InitialState } from './format.ts';

export interface TraceHeader {
  /** As the user named it, for messages. */
  readonly file: string;
  /** Lines that the header takes, the line of columns included. */
  readonly lineCount: number;
  readonly kind: 'touches' | 'dma';
  readonly pageCount: number;
  readonly vcpuCount: number;
  readonly recordCount: number;
  /** Begin of the phase `userspace`: what the host touches first before it is the launch image. A trace of DMA or with requests may lack it. */
  readonly userspaceNs: number | null;
  /** The whole bounce buffer of the guest, where the trace names it. */
  readonly pool: { readonly page: number; readonly pageCount: number } | null;
  /** How its pages start: only a trace that tells it has the guest's requests, `to-shared` and `to-private`. */
  readonly initialState: InitialState | null;
  /** First touches in the file, where the trace says so. */
  readonly distinctPages: number | null;
  /** Events that the recording lost: 0 in a good one. */
  readonly lostEvents: number;
  readonly architecture: string;
  readonly guestWorkload: string;
}

interface Entry {
  readonly value: string;
  readonly line: number;
}

/**
 * Collects header lines one by one.
 * @returns from `add`: the header once the line of columns was added, else null
 * @throws UserError with the line of the damage
 */
export function createHeaderReader(file: string): { add(text: string): TraceHeader | null } {
  const entries = new Map<string, Entry>();
  const phases: Entry[] = [];
  let line = 0;
  return {
    add(text) {
      line++;
      if (!text.startsWith('#')) return finish(file, entries, phases, { value: text, line });
      const match = /^# ([a-z0-9_]+): (.*)$/.exec(text);
      if (match === null) throw damaged(file, line, `${shown(text)} is no header line; those are \`# key: value\``);
      const [, key, value] = match;
      if (key === 'phase') {
        phases.push({ value, line });
        return null;
      }
      const before = entries.get(key);
      if (before !== undefined) throw damaged(file, line, `the header tells ${key} twice, first in line ${before.line}`);
      entries.set(key, { value, line });
      // Told before anything else can look wrong.
      if (key === 'format' && value !== FORMAT) throw damaged(file, line, `its format is ${shown(value)}; this reader knows "${FORMAT}"`);
      return null;
    },
  };
}

function finish(file: string, entries: ReadonlyMap<string, Entry>, phases: readonly Entry[], columns: Entry): TraceHeader {
  const fields = createFields(file, entries, columns.line);
  fields.need('format');
  const named = fields.need('columns');
  const kind = kindOf(columns.value);
  if (kind === null) throw damaged(file, columns.line, `unknown columns ${JSON.stringify(columns.value.slice(0, 120))}; known are "${TOUCH_COLUMNS}" and "${DMA_COLUMNS}"`);
  if (named.value !== columns.value) throw damaged(file, columns.line, `the columns are not those that line ${named.line} of the header promises`);
  fields.need('trace');
  if (fields.number('page_size') !== PAGE_BYTES) throw fields.wrong('page_size', `only pages of ${PAGE_BYTES} bytes are known`);
  const ramBytes = fields.number('guest_ram_bytes');
  const pageCount = ramBytes / PAGE_BYTES;
  if (!Number.isInteger(pageCount) || pageCount === 0) throw fields.wrong('guest_ram_bytes', `it has to be a multiple of ${PAGE_BYTES} above 0`);
  if (pageCount > GUEST_PAGES_MAX) throw fields.wrong('guest_ram_bytes', `it is more than ${GUEST_PAGES_MAX} pages (4 TiB)`);
  const vcpuCount = fields.number('vcpus');
  if (vcpuCount < 1 || vcpuCount > VCPUS_MAX) throw fields.wrong('vcpus', `it has to be from 1 to ${VCPUS_MAX}`);
  const userspaceNs = userspaceOf(file, phases);
  const initialState = kind === 'touches' ? initialStateOf(fields, entries.get('initial_state')) : null;
  if (userspaceNs === null && kind === 'touches' && initialState === null) {
    throw damaged(file, columns.line, 'the header ends without `# phase: T userspace`, which tells the launch image from what the host touched later');
  }
  const recordCount = fields.number('records');
  const distinctPages = kind === 'touches' ? fields.optional('distinct_gfns') : null;
  if (distinctPages !== null && distinctPages > Math.min(recordCount, pageCount)) {
    throw fields.wrong('distinct_gfns', `there are ${recordCount} records and ${pageCount} pages`);
  }
  return {
    file,
    lineCount: columns.line,
    kind,
    pageCount,
    vcpuCount,
    recordCount,
    userspaceNs,
    pool: kind === 'dma' ? poolOf(fields, entries.get('swiotlb_pool'), pageCount) : null,
    initialState,
    distinctPages,
    lostEvents: fields.optional('lost_events') ?? 0,
    architecture: entries.get('guest_arch')?.value ?? 'unknown',
    guestWorkload: entries.get('workload')?.value ?? 'unknown workload',
  };
}

interface Fields {
  need(key: string): Entry;
  number(key: string): number;
  optional(key: string): number | null;
  wrong(key: string, why: string): Error;
}

function createFields(file: string, entries: ReadonlyMap<string, Entry>, endLine: number): Fields {
  function need(key: string): Entry {
    const entry = entries.get(key);
    if (entry === undefined) throw damaged(file, endLine, `the header ends without the key ${key}`);
    return entry;
  }
  function wrong(key: string, why: string): Error {
    const { value, line } = need(key);
    return damaged(file, line, `${key} is ${shown(value)}; ${why}`);
  }
  function number(key: string): number {
    const value = wholeNumber(need(key).value);
    if (value === null) throw wrong(key, 'it has to be a whole number');
    return value;
  }
  return { need, number, wrong, optional: (key) => (entries.has(key) ? number(key) : null) };
}

function kindOf(columns: string): TraceHeader['kind'] | null {
  if (columns === TOUCH_COLUMNS) return 'touches';
  return columns === DMA_COLUMNS ? 'dma' : null;
}

function initialStateOf(fields: Fields, entry: Entry | undefined): InitialState | null {
  if (entry === undefined) return null;
  const state = INITIAL_STATES.find((known) => known === entry.value);
  if (state === undefined) throw fields.wrong('initial_state', `known are ${INITIAL_STATES.join(' and ')}`);
  return state;
}

/** `T NAME` each, in order of T. */
function userspaceOf(file: string, phases: readonly Entry[]): number | null {
  let previousNs = 0;
  let userspaceNs: number | null = null;
  for (const { value, line } of phases) {
    const match = /^(\d+) (.+)$/.exec(value);
    const beginNs = match === null ? null : wholeNumber(match[1]);
    if (match === null || beginNs === null) throw damaged(file, line, `phase is ${shown(value)}; it has to be a time in ns and a name`);
    if (beginNs < previousNs) throw damaged(file, line, `the phase ${match[2]} begins at ${beginNs} ns, before the one above it (${previousNs} ns)`);
    previousNs = beginNs;
    if (match[2] !== 'userspace') continue;
    if (userspaceNs !== null) throw damaged(file, line, 'the phase userspace begins twice');
    userspaceNs = beginNs;
  }
  return userspaceNs;
}

function poolOf(fields: Fields, entry: Entry | undefined, pageCount: number): TraceHeader['pool'] {
  if (entry === undefined) return null;
  const match = /^gfn (\d+) npages (\d+)$/.exec(entry.value);
  const page = match === null ? null : wholeNumber(match[1]);
  const count = match === null ? null : wholeNumber(match[2]);
  if (page === null || count === null || count === 0) throw fields.wrong('swiotlb_pool', 'it has to be `gfn G npages N`');
  if (page + count > pageCount) throw fields.wrong('swiotlb_pool', `the RAM of the guest ends at gfn ${pageCount}`);
  return { page, pageCount: count };
}

function wholeNumber(text: string): number | null {
  return /^\d+$/.test(text) && text.length <= DIGITS_MAX ? Number(text) : null;
}
