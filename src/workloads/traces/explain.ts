/** Why a line is no record: the slow, plain reading of what `RecordParser` refused. */
import { shown } from './damage.ts';
import { DIGITS_MAX, DIRECTION_NAMES, DMA_COLUMNS, OP_NAMES, PAGE_BYTES, RecordOp, TOUCH_COLUMNS } from './format.ts';
import type { TraceHeader } from './header.ts';
import { pagesOf } from './parser.ts';

const TOUCH_OPS: readonly string[] = OP_NAMES.slice(0, RecordOp.ToShared);
const REQUEST_OPS: readonly string[] = OP_NAMES.slice(RecordOp.ToShared, RecordOp.DmaMap);
const DMA_OPS: readonly string[] = OP_NAMES.slice(RecordOp.DmaMap);

/** The reason, as a sentence. `previousNs` is the time of the record above. */
export function explainRecord(text: string, header: TraceHeader, previousNs: number): string {
  const { kind, pageCount } = header;
  const columns = (kind === 'dma' ? DMA_COLUMNS : TOUCH_COLUMNS).split(',');
  const fields = text.split(',');
  if (fields.length !== columns.length) return `it has ${fields.length} fields; a record has ${columns.length}: ${columns.join(',')}`;
  const [time, actor, op, page, count] = fields;
  return (
    explainNumber('t_ns', time) ??
    (Number(time) < previousNs ? `time goes back: ${time} ns after ${previousNs} ns` : null) ??
    explainActor(actor, header) ??
    explainOp(op, header) ??
    explainRequest(op, actor) ??
    explainRange('gfn', page, 'npages', count, pageCount) ??
    (kind === 'dma' ? explainDma(fields, pageCount) : explainTouch(op, count)) ??
    `${shown(text)} cannot be read as a record`
  );
}

function explainNumber(name: string, field: string): string | null {
  if (/^-\d+$/.test(field)) return `${name} is negative: ${field}`;
  if (!/^\d+$/.test(field)) return `${name} is ${shown(field)}, which is not a number`;
  return field.length > DIGITS_MAX ? `${name} is too large: ${shown(field)} has more than ${DIGITS_MAX} digits` : null;
}

function explainActor(actor: string, { kind, vcpuCount }: TraceHeader): string | null {
  const known = kind === 'dma' ? ['dma'] : ['host', ...Array.from({ length: vcpuCount }, (_, vcpu) => `vcpu${vcpu}`)];
  if (known.includes(actor)) return null;
  const list = known.length > 4 ? `host and vcpu0 to vcpu${vcpuCount - 1}` : known.join(', ');
  return `unknown actor ${shown(actor)}; known are ${list}`;
}

function explainOp(op: string, { kind, initialState }: TraceHeader): string | null {
  const hasRequests = initialState !== null;
  if (kind === 'touches' && !hasRequests && REQUEST_OPS.includes(op)) return `it has a ${op}, and the header does not tell how pages start: \`initial_state\` is missing`;
  const known = kind === 'dma' ? DMA_OPS : [...TOUCH_OPS, ...(hasRequests ? REQUEST_OPS : [])];
  return known.includes(op) ? null : `unknown op ${shown(op)}; known are ${known.join(', ')}`;
}

function explainRequest(op: string, actor: string): string | null {
  return REQUEST_OPS.includes(op) && actor === 'host' ? `${op} is what the guest asks for, so its actor has to be a vCPU` : null;
}

function explainRange(pageName: string, page: string, countName: string, count: string, pageCount: number): string | null {
  const noNumber = explainNumber(pageName, page) ?? explainNumber(countName, count);
  if (noNumber !== null) return noNumber;
  if (Number(count) === 0) return `${countName} is 0`;
  const last = Number(page) + Number(count) - 1;
  return last >= pageCount ? `${pageName} ${last} is outside RAM, whose last page is ${pageCount - 1}` : null;
}

function explainTouch(op: string, count: string): string | null {
  return op !== 'release' && !REQUEST_OPS.includes(op) && Number(count) !== 1 ? `a touch is of 1 page; npages is ${count}` : null;
}

function explainDma(fields: readonly string[], pageCount: number): string | null {
  const [, , op, , count, offset, bytes, device, direction, originalPage, originalCount] = fields;
  const noNumber = explainNumber('offset', offset) ?? explainNumber('bytes', bytes);
  if (noNumber !== null) return noNumber;
  if (Number(offset) >= PAGE_BYTES) return `offset ${offset} is not in the first page`;
  if (Number(bytes) === 0) return 'bytes is 0';
  const pages = pagesOf(Number(offset), Number(bytes));
  if (Number(count) !== pages) return `npages is ${count}, but ${bytes} bytes from offset ${offset} on take ${pages}`;
  if (device === '') return 'device is empty';
  if (!DIRECTION_NAMES.some((name) => name === direction)) return `unknown direction ${shown(direction)}; known are ${DIRECTION_NAMES.join(', ')}`;
  if (!op.startsWith('coherent-')) return explainRange('orig_gfn', originalPage, 'orig_npages', originalCount, pageCount);
  return originalPage === '' && originalCount === '' ? null : `${op} has an original buffer; coherent memory has none`;
}
