/**
 * A record as comma-separated values (RFC 4180): one line a cell, one column an input or a figure, in the order of the registry.
 *
 * Only what is a function of the inputs: the same results give the same bytes. Histograms stay in the JSON; their percentiles are here.
 */
import type { CellParams } from '../harness/experiment.ts';
import { familyNamed, labelOf } from '../harness/families/index.ts';
import type { CellResult, ResultsRecord } from '../harness/record.ts';

type Field = string | number | null | undefined;

interface CsvColumn {
  readonly name: string;
  readonly of: (cell: CellResult) => Field;
}

const inputs: readonly CsvColumn[] = [
  { name: 'family', of: ({ family }) => family },
  { name: 'policy', of: ({ policy }) => policy },
  { name: 'check', of: ({ check }) => check },
  { name: 'choices', of: ({ choices = {} }) => Object.entries(choices).map(([choice, value]) => `${choice}=${value}`).join(' ') },
  { name: 'workload', of: ({ workload }) => workload },
  { name: 'label', of: labelOf },
  { name: 'seed', of: ({ seed }) => seed },
];

/** Parameters that a cell has only where they are no defaults have a column where some cell has them, behind the others. */
const OFTEN_ABSENT: readonly (keyof CellParams)[] = ['platform', 'vmm', 'requestPages', 'ioHoldUs', 'convertShare'];

/** The columns of every record of its family. */
function columnsOf({ cells, experiment }: ResultsRecord): readonly CsvColumn[] {
  const { params: ofFamily, metrics } = familyNamed(experiment.family);
  const present = new Set(cells.flatMap(({ params }) => Object.keys(params)));
  const always = ofFamily.filter((name) => !OFTEN_ABSENT.includes(name));
  const others = OFTEN_ABSENT.filter((name) => ofFamily.includes(name) && present.has(name)).toSorted();
  const params = [...always, ...others].map((name): CsvColumn => ({ name, of: (cell) => cell.params[name] }));
  const figures = metrics.flatMap((metric): readonly CsvColumn[] => {
    const at = (path: readonly string[], absent: Field) => (cell: CellResult): Field => (cell.status === 'ok' ? (fieldAt(cell.deterministic, path) ?? absent) : null);
    if (metric.kind === 'number') return [{ name: metric.path.join('.'), of: at(metric.path, null) }];
    if (metric.kind === 'counts') return metric.keys.map((key) => ({ name: [...metric.path, key].join('.'), of: at([...metric.path, key], 0) }));
    return [];
  });
  return [...inputs, ...params, { name: 'status', of: ({ status }) => status }, { name: 'error', of: (cell) => (cell.status === 'failed' ? cell.error.what : null) }, ...figures];
}

function fieldAt(section: unknown, path: readonly string[]): Field {
  let value = section;
  for (const key of path) value = typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : undefined;
  return value as Field;
}

/** Lines end in CR LF, as the format has it; the first one names the columns. */
export function formatCsv(record: ResultsRecord): string {
  const columns = columnsOf(record);
  const lines = [columns.map(({ name }) => name), ...record.cells.map((cell) => columns.map(({ of }) => of(cell)))];
  return lines.map((line) => `${line.map(quoted).join(',')}\r\n`).join('');
}

function quoted(field: Field): string {
  if (field === null || field === undefined) return '';
  const text = String(field);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
