/** The import arrows of the rooms: everything may import what stands to its right, and nothing points back. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

/** Rooms from the left of the arrow to its right; rooms of one step do not know each other. */
const ARROW = [['cli'], ['report', 'gate', 'calibrate'], ['harness'], ['simulate', 'explore'], ['policies', 'workloads'], ['model']] as const;
const STEP_OF = new Map<string, number>(ARROW.flatMap((rooms, step) => rooms.map((room) => [room, step] as const)));

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
/** Packages that a room may use beside Node's own modules. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = { cli: ['commander'], report: ['cli-table3', 'vega', 'vega-lite'], harness: ['piscina'], explore: ['yaml'], calibrate: ['koffi'] };
/** The model, policies, workloads and engines are pure: they reach the machine through nobody. Reading traces and cost profiles is their only I/O. */
const NODE_MODULES_OF_NONE = /^node:(?:os|child_process|worker_threads|process|perf_hooks|timers)/;
const PURE_STEP = 3;

interface Import {
  readonly from: string;
  readonly to: string;
}

/** Static and dynamic imports and re-exports of one file, types included: an arrow is about what one must know to read a room. */
function importsOf(path: string, source: string): readonly Import[] {
  const specifiers = source.matchAll(/(?:^|\n)\s*(?:import|export)\b[^;'"]*?\bfrom\s*['"]([^'"]+)['"]|(?:^|\n)\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g);
  return [...specifiers].map(([, from, bare, dynamic]) => ({ from: path, to: from ?? bare ?? dynamic }));
}

/** What is wrong with an import; null where nothing is. Paths are relative to the repository, with slashes. */
function complaint({ from, to }: Import): string | null {
  const room = from.split('/')[1];
  const step = STEP_OF.get(room);
  if (step === undefined) return `${from} is in a room that the arrow does not have`;
  if (to.startsWith('node:')) return step >= PURE_STEP && NODE_MODULES_OF_NONE.test(to) ? `${from} imports ${to}: engines and models know no machine` : null;
  if (!to.startsWith('.')) return PACKAGES[room]?.includes(to) === true ? null : `${from} imports the package ${to}`;
  if (!to.endsWith('.ts')) return `${from} imports ${to} without its extension`;
  const target = posix.join(posix.dirname(from), to).split('/');
  if (target[0] !== 'src') return `${from} imports ${to} from outside of src`;
  if (target[1] === room) return null;
  const targetStep = STEP_OF.get(target[1]);
  return targetStep !== undefined && targetStep > step ? null : `${from} imports ${to}: ${room} may not know ${target[1]}`;
}

/** Sources that ship. Tests may look to the left: a model's race is explored by an engine. */
const sources = readdirSync(`${ROOT}/src`, { recursive: true, encoding: 'utf8' })
  .map((path) => `src/${path.replaceAll('\\', '/')}`)
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'));

describe('the import arrows', () => {
  test('hold for every import of every source', () => {
    const imports = sources.flatMap((path) => importsOf(path, readFileSync(`${ROOT}/${path}`, 'utf8')));
    expect(imports.length).toBeGreaterThan(100);
    expect(imports.flatMap((one) => complaint(one) ?? [])).toEqual([]);
  });

  test('see every import statement of a file', () => {
    const count = (source: string) => importsOf('src/x/y.ts', source).map(({ to }) => to);
    expect(count(`import a from './a.ts';\nimport type {\n  B,\n  C } from '../b.ts';\nimport './c.ts';\nexport { d } from './d.ts';\nexport * from './e.ts';\nconst f = await import('./f.ts');\nconst from = 'no';`)).toEqual([
      './a.ts', '../b.ts', './c.ts', './d.ts', './e.ts', './f.ts',
    ]);
  });

  test.each([
    ['src/model/a.ts', '../simulate/run.ts', 'src/model/a.ts imports ../simulate/run.ts: model may not know simulate'],
    ['src/policies/conversion/a.ts', '../../workloads/index.ts', 'src/policies/conversion/a.ts imports ../../workloads/index.ts: policies may not know workloads'],
    ['src/harness/a.ts', '../report/table.ts', 'src/harness/a.ts imports ../report/table.ts: harness may not know report'],
    ['src/report/a.ts', '../gate/gate.ts', 'src/report/a.ts imports ../gate/gate.ts: report may not know gate'],
    ['src/report/a.ts', 'commander', 'src/report/a.ts imports the package commander'],
    ['src/model/a.ts', './b', 'src/model/a.ts imports ./b without its extension'],
    ['src/simulate/a.ts', 'node:worker_threads', 'src/simulate/a.ts imports node:worker_threads: engines and models know no machine'],
    ['src/cli/a.ts', '../../test/tools/fakeCatalogue.ts', 'src/cli/a.ts imports ../../test/tools/fakeCatalogue.ts from outside of src'],
    ['src/attic/a.ts', './b.ts', 'src/attic/a.ts is in a room that the arrow does not have'],
  ])('catch a planted mistake: %s importing %s', (from, to, expected) => expect(complaint({ from, to })).toBe(expected));

  test.each([
    ['src/cli/compare.ts', '../harness/compare.ts'],
    ['src/report/table.ts', '../simulate/histogram.ts'],
    ['src/policies/conversion/a.ts', '../../model/step.ts'],
    ['src/model/a.ts', './b.ts'],
    ['src/harness/pool.ts', 'piscina'],
    ['src/workloads/traces/reader.ts', 'node:zlib'],
  ])('let %s import %s', (from, to) => expect(complaint({ from, to })).toBe(null));
});
