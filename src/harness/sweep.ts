/**
 * A sweep: one experiment at several values of a parameter or two. It is an experiment like any other, whose runs differ in their
 * parameters; so it is kept, gone on with, divided and merged like any other.
 */
import { UserError, nearestNames } from '../model/userError.ts';
import type { Catalogue } from './catalogue.ts';
import { FOLIO_ORDERS, cellKey, planCells, type Experiment, type FolioSize } from './experiment.ts';
import { DEFAULT_FAMILY, familyNamed, type FamilyFacts } from './families/index.ts';
import { createExperiment, type Request } from './request.ts';
import { quoted } from './shell.ts';
import { formatSize, parsePercent, parseSize } from './sizes.ts';

interface Varied {
  readonly field: 'vmas' | 'processes' | 'vcpus' | 'accesses' | 'memoryBytes' | 'folio' | 'requestPages' | 'ioHoldUs' | 'convertShare';
  readonly parse: (text: string) => number | FolioSize;
  readonly text: (value: number | FolioSize) => string;
  /** What one of it is called. */
  readonly unit: string;
}

const countOf = (text: string): number => {
  const count = /^\d{1,12}$/.test(text) ? Number(text) : 0;
  if (count > 0) return count;
  throw new UserError({ what: `"${text}" is no count`, why: 'a count is a whole number from 1', fix: 'write it as in 1,4,16' });
};

function folioOf(text: string): FolioSize {
  const sizes = Object.keys(FOLIO_ORDERS) as readonly FolioSize[];
  const size = sizes.find((candidate) => candidate.toLowerCase() === text.toLowerCase());
  if (size !== undefined) return size;
  throw new UserError({ what: `"${text}" is no folio size`, why: `there are ${sizes.join(', ')}`, fix: 'pick among them' });
}

const count = (field: Varied['field'], unit: string): Varied => ({ field, parse: countOf, text: String, unit });

/** What can be varied, by the name of its option. */
export const VARIED = {
  vmas: count('vmas', 'VMAs'),
  processes: count('processes', 'processes'),
  vcpus: count('vcpus', 'vCPUs'),
  accesses: count('accesses', 'accesses'),
  'request-pages': count('requestPages', 'pages a request'),
  'io-hold-us': count('ioHoldUs', 'us of I/O'),
  'convert-share': { field: 'convertShare', parse: parsePercent, text: String, unit: '% of conversions' },
  memory: { field: 'memoryBytes', parse: parseSize, text: (value) => formatSize(Number(value)), unit: 'bytes' },
  folio: { field: 'folio', parse: folioOf, text: String, unit: 'bytes a folio' },
} as const satisfies Readonly<Record<string, Varied>>;
export type VariedName = keyof typeof VARIED;

/** One parameter and its values, in the order in which they were asked for. */
export interface Axis {
  readonly name: VariedName;
  readonly values: readonly (number | FolioSize)[];
}

const AXES_MAX = 2;

/** `vmas=1,4,16`: one word an axis. @throws UserError for anything else */
export function parseVary(words: readonly string[]): readonly Axis[] {
  const axes = words.map(parseAxis);
  if (axes.length === 0) throw new UserError({ what: 'nothing is varied', why: 'a sweep needs a parameter and its values', fix: 'add --vary vmas=1,4,16,64,256' });
  const twice = axes.find(({ name }, at) => axes.findIndex((other) => other.name === name) !== at);
  if (twice !== undefined) throw new UserError({ what: `--vary ${twice.name} is there twice`, why: 'each parameter has one list of values', fix: `write all values behind one --vary ${twice.name}=` });
  if (axes.length > AXES_MAX) throw new UserError({ what: `${axes.length} parameters are too many`, why: `curves of more than ${AXES_MAX} cannot be read`, fix: 'make several sweeps' });
  return axes;
}

function parseAxis(word: string): Axis {
  const [name, list = ''] = word.split(/=(.*)/s);
  const names = Object.keys(VARIED) as readonly VariedName[];
  const known = names.find((candidate) => candidate === name);
  if (known === undefined) {
    const near = nearestNames(name, names);
    throw new UserError({ what: `"${name}" cannot be varied`, why: `there are ${names.join(', ')}`, fix: near.length > 0 ? `did you mean ${near.join(' or ')}?` : 'write it as in --vary vmas=1,4,16' });
  }
  const values = list.split(',').map((text) => text.trim()).filter((text) => text !== '').map(VARIED[known].parse);
  if (new Set(values).size !== values.length || values.length < 2) {
    throw new UserError({ what: `--vary ${word} is no curve`, why: 'it takes at least two values, each once', fix: `write it as in --vary ${known}=${known === 'folio' ? '4K,2M' : known === 'memory' ? '256MiB,1GiB' : known === 'convert-share' ? '0.5,2,8' : '1,4,16,64'}` });
  }
  return { name: known, values };
}

/** Every combination of the values, the first axis fastest. @throws UserError where one of them cannot be run, or makes no difference */
export async function createSweep(request: Request, axes: readonly Axis[], catalogue: Catalogue): Promise<Experiment> {
  refuseOtherAxes(axes, familyNamed(request.family ?? DEFAULT_FAMILY));
  for (const { name } of axes) {
    if (request[VARIED[name].field] === undefined) continue;
    throw new UserError({ what: `--${name} and --vary ${name} contradict each other`, why: 'the one fixes what the other varies', fix: 'leave one of them away' });
  }
  const points = axes.reduce<readonly Request[]>((made, { name, values }) => values.flatMap((value) => made.map((point) => ({ ...point, [VARIED[name].field]: value }))), [request]);
  const experiments: Experiment[] = [];
  for (const point of points) experiments.push(await createExperiment(point, catalogue));
  const [first] = experiments;
  const words = axes.map(({ name, values }) => `--vary ${quoted(`${name}=${values.map(VARIED[name].text).join(',')}`)}`);
  const base = (await createExperiment(request, catalogue)).command.replace('foliobench compare', 'foliobench sweep');
  const experiment: Experiment = { ...first, command: [base, ...words].join(' '), runs: experiments.flatMap(({ runs }) => runs) };
  refuseSameCells(experiment, axes);
  return experiment;
}

/** @throws UserError where the family's cells do not have what is varied */
function refuseOtherAxes(axes: readonly Axis[], { name: family, params }: FamilyFacts): void {
  const other = axes.find(({ name }) => !params.includes(VARIED[name].field));
  if (other === undefined) return;
  const known = (Object.keys(VARIED) as readonly VariedName[]).filter((name) => params.includes(VARIED[name].field));
  throw new UserError({ what: `${other.name} cannot be varied in the family ${family}`, why: `its cells have ${known.join(', ')}`, fix: 'vary one of them' });
}

/** A recorded guest has its own memory and accesses: varied, they would be one cell several times. */
function refuseSameCells(experiment: Experiment, axes: readonly Axis[]): void {
  const keys = new Set<string>();
  for (const { cell } of planCells(experiment)) {
    const key = cellKey(cell);
    if (keys.has(key)) {
      throw new UserError({
        what: `${cell.workload} is the same for every ${axes.map(({ name }) => name).join(' and ')}`,
        why: 'a recorded guest brings its own memory and accesses',
        fix: 'vary something else, or name synthetic workloads with --workload',
      });
    }
    keys.add(key);
  }
}
