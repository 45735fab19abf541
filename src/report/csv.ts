/**
 * A record as comma-separated values (RFC 4180): one line a cell, one column an input or a figure, in the order of the registry.
 *
 * Only what is a function of the inputs: the same results give the same bytes. Histograms stay in the JSON; their percentiles are here.
 */
import { labelOf, type CellParams } from '../harness/experiment.ts';
import { METRICS } from '../harness/metrics.ts';
import type { CellResult, ResultsRecord } from '../harness/record.ts';

const PARAMS: readonly (keyof CellParams)[] = ['memoryBytes', 'folio', 'vcpus', 'processes', 'vmas', 'conversion', 'dma', 'io', 'pace', 'accesses'];

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
  { name: 'label', of: ({ params }) => labelOf(params) },
  { name: 'seed', of: ({ seed }) => seed },
];

/** The columns of every record: those of the parameters that all cells have, and of those that some have. */
function columnsOf({ cells }: ResultsRecord): readonly CsvColumn[] {
  const others = [...new Set(cells.flatMap(({ params }) => Object.keys(params)))].filter((name) => !PARAMS.includes(name as keyof CellParams)).sort();
  const params = [...PARAMS, ...others].map((name): CsvColumn => ({ name, of: (cell) => (cell.params as unknown as Readonly<Record<string, Field>>)[name] }));
  const figures = METRICS.flatMap((metric): readonly CsvColumn[] => {
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
