/**
 * Points: what was measured, as a file. One point is one operation of one size in one surrounding; its figure is a median.
 *
 * ```
 * { "schema": "foliobench/points@1", "tool": {...}, "environment": {...}, "hypervisor": "...", "backing": "guest_memfd", "date": "2026-11-21", "quick": false,
 *   "points": [ { "backing", "operation", "pages", "vmas", "processes", "touched", "dirty", "cpus", "ns", "spread", "runs" } ],
 *   "behaviours": [ { "name", "expected", "observed" } ], "notMeasured": [ { "operation", "why" } ] }
 * ```
 */
import { readFileSync } from 'node:fs';
import type { Environment } from '../harness/record.ts';
import { UserError } from '../model/userError.ts';
import { JsonError, parseStrictJson } from '../simulate/strictJson.ts';
import { BACKINGS } from './backing.ts';
import type { BackingName, Lack } from './backing.ts';

export const POINTS_SCHEMA = 'foliobench/points@1';

/** What is measured; `summary` says what one call does and what the columns mean for it. */
export const OPERATIONS_MEASURED = {
  'syscall': 'getppid: a system call that does nothing',
  'mmap': 'map all pages; `vmas` mappings of the file are there already',
  'munmap': 'unmap a mapping of all pages, whose entries are there where `touched`; `vmas` other mappings stay',
  'fault.first': 'touch pages that the file does not have yet; a write where `dirty`',
  'fault.minor': 'touch pages of the file that the mapping has no entries of; a write where `dirty`',
  'populate': 'madvise(MADV_POPULATE_*) over pages that the file has: faults without an exception; for writing where `dirty`',
  'zap': 'madvise(MADV_DONTNEED) over the pages of one mapping',
  'allocate': 'fallocate of pages that the file does not have yet',
  'punch': 'fallocate(PUNCH_HOLE) of pages that the file has, under `vmas` mappings in each of `processes` processes',
  'punch.one': 'the same, with entries in the first mapping alone: the others are looked at for nothing',
  'punch.empty': 'punch of pages that the file does not have',
  'gup.get': 'vmsplice of pages into a pipe (FOLL_GET), through a mapping that has entries where `touched`',
  'gup.pin': 'register pages as a fixed buffer of io_uring (FOLL_PIN | FOLL_LONGTERM), where `touched` as above',
  'gup.unpin': 'unregister such a buffer',
  'mixed': 'a whole sequence of faults, populating, zaps, holes and pins over `pages` pages through `vmas` mappings (src/calibrate/mixed.ts); for writing where `dirty`',
  'mixed.forks': 'such a sequence with forks in it, by a process that has nothing but the mappings; its children end at once',
  'fork': 'clone that shares nothing, by a process that has nothing but `vmas` mappings of the file, with entries where `touched`; its child ends at once',
  'sigbus': 'load from a private page: SIGBUS, and a handler that steps over it',
  'stage2.fault': 'KVM_PRE_FAULT_MEMORY of pages that the file has: stage-2 faults of 4 KiB without a guest; where `touched` the leaves are there already',
  'stage2.punch': 'punch of pages that stage-2 maps; `vmas` and `touched` are of the host, as of punch',
  'convert.private': 'KVM_SET_MEMORY_ATTRIBUTES of shared pages, which stage-2 maps where `touched`',
  'convert.shared': 'the same of private pages',
  'efault': 'read(2) from /dev/zero into a private page, which answers EFAULT',
} as const;
export type MeasuredOperation = keyof typeof OPERATIONS_MEASURED;

/** What is measured in which surrounding. */
export interface Place {
  readonly operation: MeasuredOperation;
  /** 4 KiB pages of the range of one call. */
  readonly pages: number;
  /** Mappings of the whole file in each process. */
  readonly vmas: number;
  readonly processes: number;
  /** Page-table entries are present before the call, in every mapping. */
  readonly touched: boolean;
  /** They are dirty; of a fault: it writes. */
  readonly dirty: boolean;
  /** CPUs that run the measuring process. */
  readonly cpus: number;
}

export interface Point extends Place {
  readonly backing: BackingName;
  /** Nanoseconds of one call: the median of the runs, without the cost of calling from here. */
  readonly ns: number;
  /** Nanoseconds between the quartiles of the runs. */
  readonly spread: number;
  readonly runs: number;
}

/** Something that the kernel does or does not, and no price. */
export interface Behaviour {
  readonly name: string;
  readonly expected: string;
  readonly observed: string;
}

export interface PointsRecord {
  readonly schema: typeof POINTS_SCHEMA;
  readonly tool: { readonly version: string };
  readonly environment: Environment;
  /** What runs this kernel, as far as it can be known: prices of a virtual machine are those of its host's page tables too. */
  readonly hypervisor: string;
  readonly backing: BackingName;
  /** YYYY-MM-DD. */
  readonly date: string;
  readonly quick: boolean;
  readonly points: readonly Point[];
  readonly behaviours: readonly Behaviour[];
  readonly notMeasured: readonly Lack[];
}

const COUNT_FIELDS = ['pages', 'vmas', 'processes', 'cpus', 'runs'] as const;
const BOOLEAN_FIELDS = ['touched', 'dirty'] as const;
const NS_FIELDS = ['ns', 'spread'] as const;
/** In the order in which they are written. */
const POINT_FIELDS = ['backing', 'operation', 'pages', 'vmas', 'processes', 'touched', 'dirty', 'cpus', 'ns', 'spread', 'runs'] as const satisfies readonly (keyof Point)[];

/** `punch 512 pages, 64 VMAs, 1 process, dirty, 1 CPU` without what is as usual: names a place to people and to programs. */
export function placeName({ operation, pages, vmas, processes, touched, dirty, cpus }: Place): string {
  const entries = dirty ? ', dirty' : touched ? ', clean' : '';
  return `${operation} ${pages} pages, ${vmas} VMAs${entries}${processes > 1 ? `, ${processes} processes` : ''}${cpus > 1 ? `, ${cpus} CPUs` : ''}`;
}

/** Of the median: quartiles further apart are noise. */
const SPREAD_MAX = 0.5;
/** Whether its runs agree, so that its median is a figure of the place. */
export const isSteady = ({ ns, spread }: Point): boolean => ns > 0 && spread <= SPREAD_MAX * ns;

/** One point a line, so that two grids can be compared line by line. */
export function formatPoints({ points, ...rest }: PointsRecord): string {
  const lines = points.map((point) => `    ${JSON.stringify(Object.fromEntries(POINT_FIELDS.map((field) => [field, point[field]])))}`);
  const head = JSON.stringify(rest, null, 2);
  return `${head.slice(0, head.lastIndexOf('\n'))},\n  "points": [\n${lines.join(',\n')}\n  ]\n}\n`;
}

/** @throws UserError where the file cannot be read, is no JSON, or has something else in it */
export function readPoints(file: string): PointsRecord {
  const invalid = (why: string): UserError =>
    new UserError({ what: `cannot use the points of ${file}`, why, fix: 'give a file that foliobench calibrate --points wrote' });
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw invalid(code === 'ENOENT' ? 'there is no such file' : `the system says ${code ?? String(error)}`);
  }
  try {
    return parsePoints(parseStrictJson(text));
  } catch (error) {
    if (error instanceof JsonError) throw invalid(`bad JSON in line ${error.line}, column ${error.column}: ${error.message}`);
    if (error instanceof PointsError) throw invalid(error.message);
    throw error;
  }
}

class PointsError extends Error {}

type Fields = Readonly<Record<string, unknown>>;

/** @throws PointsError */
function parsePoints(content: unknown): PointsRecord {
  const fields = objectOf(content, 'the file');
  if (fields.schema !== POINTS_SCHEMA) throw new PointsError(`its schema is ${JSON.stringify(fields.schema) ?? 'missing'}, expected "${POINTS_SCHEMA}"`);
  if (!BACKINGS.some((name) => name === fields.backing)) throw new PointsError(`"backing" is ${JSON.stringify(fields.backing) ?? 'missing'}, expected one of ${BACKINGS.join(', ')}`);
  if (typeof fields.date !== 'string' || !/^\d{4}-\d{2}-\d{2}$/.test(fields.date)) throw new PointsError('"date" is no YYYY-MM-DD');
  objectOf(fields.environment, '"environment"');
  if (typeof fields.hypervisor !== 'string') throw new PointsError('"hypervisor" is no text');
  const points = listOf(fields.points, '"points"').map((point, index) => parsePoint(objectOf(point, `point ${index}`), index));
  const names = new Set<string>();
  for (const point of points) {
    const name = `${point.backing} ${placeName(point)}`;
    if (names.has(name)) throw new PointsError(`${name} is there twice`);
    names.add(name);
  }
  listOf(fields.behaviours, '"behaviours"');
  listOf(fields.notMeasured, '"notMeasured"');
  return { ...(fields as unknown as PointsRecord), points };
}

function parsePoint(fields: Fields, index: number): Point {
  const wrong = (field: string, expected: string): PointsError =>
    new PointsError(`"${field}" of point ${index} is ${JSON.stringify(fields[field]) ?? 'missing'}, expected ${expected}`);
  const unknown = Object.keys(fields).find((key) => !POINT_FIELDS.some((known) => known === key));
  if (unknown !== undefined) throw new PointsError(`point ${index} has an unknown field "${unknown}"`);
  if (!BACKINGS.some((name) => name === fields.backing)) throw wrong('backing', `one of ${BACKINGS.join(', ')}`);
  if (typeof fields.operation !== 'string' || !Object.hasOwn(OPERATIONS_MEASURED, fields.operation)) throw wrong('operation', 'a measured operation');
  for (const field of COUNT_FIELDS) if (!Number.isSafeInteger(fields[field]) || (fields[field] as number) < 0) throw wrong(field, 'a whole number');
  for (const field of BOOLEAN_FIELDS) if (typeof fields[field] !== 'boolean') throw wrong(field, 'true or false');
  for (const field of NS_FIELDS) if (typeof fields[field] !== 'number' || !((fields[field] as number) >= 0)) throw wrong(field, 'a number of nanoseconds');
  return fields as unknown as Point;
}

function objectOf(content: unknown, what: string): Fields {
  if (typeof content === 'object' && content !== null && !Array.isArray(content)) return content as Fields;
  throw new PointsError(`${what} is ${content === undefined ? 'missing' : 'no object'}`);
}

function listOf(content: unknown, what: string): readonly unknown[] {
  if (Array.isArray(content)) return content as readonly unknown[];
  throw new PointsError(`${what} is ${content === undefined ? 'missing' : 'no list'}`);
}
