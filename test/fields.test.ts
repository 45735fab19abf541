/**
 * Every field of the record says something: `fields.json` names for each leaf a run in which it is above zero, and one in
 * which it is different. Fields are taken from the JSON Schema, so that a new one without its runs fails here.
 *
 * After a change, this finds runs for the fields that have none any more, and keeps the others:
 *     FOLIOBENCH_FIELDS=update npx vitest run test/fields.test.ts
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Deterministic } from '../src/harness/metrics.ts';
import { resultsSchema, type Schema } from '../src/harness/schema.ts';
import { cellOf, catalogue } from './tools/cells.ts';

/** Words of the command line behind those that all runs share; a word that comes twice counts as it comes last. */
interface Entry {
  readonly aboveZeroIn: string;
  readonly differsIn: string;
}
interface Fields {
  /** What all runs share. */
  readonly compare: string;
  readonly fields: Readonly<Record<string, Entry>>;
}

const FILE = new URL('fields.json', import.meta.url);
const COMMAND = 'FOLIOBENCH_FIELDS=update npx vitest run test/fields.test.ts';
const UPDATES = process.env['FOLIOBENCH_FIELDS'] === 'update';
const committed = JSON.parse(readFileSync(FILE, 'utf8')) as Fields;

/** Paths of the leaves of a schema; `/` between the keys, since those of operations have dots. The keys of a field of counts are leaves. */
function leavesOf(schema: Schema, path: readonly string[] = []): readonly string[] {
  const { properties } = schema as { readonly properties?: Readonly<Record<string, Schema>> };
  if (properties === undefined) return [path.join('/')];
  return Object.entries(properties).flatMap(([key, part]) => leavesOf(part, [...path, key]));
}

const { deterministic: deterministicSchema, params: paramsSchema } = resultsSchema().definitions as Readonly<Record<'deterministic' | 'params', Schema>>;
const LEAVES = leavesOf(deterministicSchema);

/** The value of a leaf as text; an absent count is 0. */
function leafOf(deterministic: Deterministic, leaf: string): string {
  let value: unknown = deterministic;
  for (const key of leaf.split('/')) value = (value as Readonly<Record<string, unknown>>)[key] ?? (Object.hasOwn(value as object, key) ? null : 0);
  return JSON.stringify(value);
}

const isAboveZero = (value: string): boolean => value !== '0' && value !== 'null' && value !== '[]';
const runOf = async (words: string): Promise<Deterministic> => (await cellOf(`${committed.compare} ${words}`)).deterministic;

describe.skipIf(UPDATES)('each field of the record', () => {
  test('has its runs in test/fields.json, and no run is of a field that is gone', () => {
    const listed = Object.keys(committed.fields);
    const missing = LEAVES.filter((leaf) => !listed.includes(leaf));
    const gone = listed.filter((leaf) => !LEAVES.includes(leaf));
    expect({ missing, gone }, `to list them anew: ${COMMAND}`).toEqual({ missing: [], gone: [] });
  });

  test('is above zero in one of its runs, and differs between the two', async () => {
    const complaints: string[] = [];
    for (const [leaf, { aboveZeroIn, differsIn }] of Object.entries(committed.fields)) {
      const [one, other] = [leafOf(await runOf(aboveZeroIn), leaf), leafOf(await runOf(differsIn), leaf)];
      if (!isAboveZero(one)) complaints.push(`${leaf} is ${one} in ${aboveZeroIn}`);
      if (one === other) complaints.push(`${leaf} is ${one} both in ${aboveZeroIn} and in ${differsIn}`);
    }
    expect(complaints, `to find other runs: ${COMMAND}`).toEqual([]);
  }, 120_000);
});

/** Two runs for each input of a cell, alike in every other one. */
const INPUTS: Readonly<Record<string, readonly [string, string]>> = {
  policy: ['--workload zipf --policy sigbus-on-fault', '--workload zipf --policy refuse-mmap'],
  workload: ['--policy split-4k --workload zipf', '--policy split-4k --workload uniform'],
  check: ['--policy sigbus-on-fault --workload fixed-buffers --check mapcount', '--policy sigbus-on-fault --workload fixed-buffers --check refcount'],
  seed: ['--policy sigbus-on-fault --workload zipf --seed 1', '--policy sigbus-on-fault --workload zipf --seed 2'],
  memoryBytes: ['--policy sigbus-on-fault --workload zipf --memory 16MiB', '--policy sigbus-on-fault --workload zipf --memory 32MiB'],
  folio: ['--policy sigbus-on-fault --workload zipf --folio 4K', '--policy sigbus-on-fault --workload zipf --folio 2M'],
  vcpus: ['--policy sigbus-on-fault --workload zipf --vcpus 2', '--policy sigbus-on-fault --workload zipf --vcpus 3'],
  processes: ['--policy folio-mmapped --workload zipf --processes 1', '--policy folio-mmapped --workload zipf --processes 2'],
  vmas: ['--policy sigbus-on-fault --workload zipf --vmas 1', '--policy sigbus-on-fault --workload zipf --vmas 2'],
  conversion: ['--policy sigbus-on-fault --workload zipf --conversion explicit', '--policy sigbus-on-fault --workload zipf --conversion lazy'],
  dma: ['--policy sigbus-on-fault --workload bounce-ring --dma pool', '--policy sigbus-on-fault --workload bounce-ring --dma direct'],
  io: ['--policy sigbus-on-fault --workload dma-storm --io direct', '--policy sigbus-on-fault --workload dma-storm --io buffered'],
  pace: ['--policy null --workload boot-512m --memory 512MiB --conversion explicit --pace closed', '--policy null --workload boot-512m --memory 512MiB --conversion explicit --pace recorded'],
  accesses: ['--policy sigbus-on-fault --workload zipf --accesses 2000', '--policy sigbus-on-fault --workload zipf --accesses 2001'],
  platform: ['--policy sigbus-on-fault --workload zipf --platform snp', '--policy sigbus-on-fault --workload zipf --platform tdx'],
  requestPages: ['--policy sigbus-on-fault --workload kexec --request-pages 64', '--policy sigbus-on-fault --workload kexec --request-pages 8'],
  ioHoldUs: ['--policy sigbus-on-fault --workload dma-storm --io-hold-us 50', '--policy sigbus-on-fault --workload dma-storm --io-hold-us 500'],
  convertShare: ['--policy sigbus-on-fault --workload zipf --convert-share 1', '--policy sigbus-on-fault --workload zipf --convert-share 8'],
  vmm: ['--policy sigbus-on-fault --workload dma-storm --vmm back-off', '--policy sigbus-on-fault --workload dma-storm --vmm give-up'],
};

describe.skipIf(UPDATES)('each input of a cell', () => {
  test('has two runs here', () => {
    expect(Object.keys(INPUTS).filter((input) => !['policy', 'workload', 'check', 'seed'].includes(input)).sort()).toEqual([...leavesOf(paramsSchema)].sort());
  });

  test.each(Object.entries(INPUTS))('%s changes figures', async (input, [first, second]) => {
    const [one, other] = [await cellOf(`${committed.compare} ${first}`), await cellOf(`${committed.compare} ${second}`)];
    const inputsOf = ({ policy, workload, check, seed, params }: typeof one) => ({ policy, workload, check, seed, ...params });
    const differing = Object.entries(inputsOf(one)).filter(([name, value]) => value !== (inputsOf(other) as Readonly<Record<string, unknown>>)[name]);
    expect(differing.map(([name]) => name)).toEqual([input]);
    expect(JSON.stringify(one.deterministic)).not.toBe(JSON.stringify(other.deterministic));
  });
});

/* ---- the generator ---- */

/** Runs to choose from, the plain ones first. */
function candidates(): readonly string[] {
  const variants = [
    '', '--folio 2M', '--folio 1G --memory 1GiB', '--conversion lazy', '--check mapcount', '--vmas 3 --processes 2', '--dma direct', '--io buffered', '--conversion lazy --folio 2M', '--costs measured',
    '--memory 32MiB --accesses 6000', '--platform pkvm', '--platform snp', '--platform tdx',
  ];
  return variants.flatMap((variant) =>
    catalogue.workloads.flatMap(({ name: workload }) =>
      catalogue.policies
        .filter(({ checks }) => !variant.includes('--check') || checks.includes('mapcount'))
        .map(({ name: policy }) => `--policy ${policy} --workload ${workload}${variant === '' ? '' : ` ${variant}`}`),
    ),
  );
}

/** Greedy: the run that feeds most of what is not fed yet, until nothing more can be fed. */
async function chooseRuns(wanted: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
  const fed = new Map<string, readonly string[]>();
  // What comes late among the candidates is run only where something is not fed yet.
  const isFed = (leaf: string): boolean => [...fed.values()].some((leaves) => leaves.includes(leaf));
  for (const words of candidates()) {
    if ([...wanted].every(isFed)) break;
    const run = await runOf(words);
    fed.set(words, [...wanted].filter((leaf) => isAboveZero(leafOf(run, leaf))));
  }
  const chosen = new Map<string, string>();
  for (;;) {
    const open = (words: string) => (fed.get(words) ?? []).filter((leaf) => !chosen.has(leaf));
    const best = [...fed.keys()].reduce((one, other) => (open(other).length > open(one).length ? other : one));
    const leaves = open(best);
    if (leaves.length === 0) return chosen;
    for (const leaf of leaves) chosen.set(leaf, best);
  }
}

test.runIf(UPDATES)('the generator writes test/fields.json', async () => {
  const kept = new Map<string, Entry>();
  for (const [leaf, entry] of Object.entries(committed.fields)) {
    if (!LEAVES.includes(leaf)) continue;
    const [one, other] = [leafOf(await runOf(entry.aboveZeroIn), leaf), leafOf(await runOf(entry.differsIn), leaf)];
    if (isAboveZero(one) && one !== other) kept.set(leaf, entry);
  }
  const open = new Set(LEAVES.filter((leaf) => !kept.has(leaf)));
  process.stdout.write(`to feed: ${[...open].join(', ')}\n`);
  const chosen = open.size === 0 ? new Map<string, string>() : await chooseRuns(open);
  const runs = [...new Set([...chosen.values(), ...[...kept.values()].map(({ aboveZeroIn }) => aboveZeroIn)])];
  const lines: string[] = [];
  const unfed: string[] = [];
  for (const leaf of LEAVES) {
    const aboveZeroIn = kept.get(leaf)?.aboveZeroIn ?? chosen.get(leaf);
    if (aboveZeroIn === undefined) {
      unfed.push(leaf);
      continue;
    }
    const value = leafOf(await runOf(aboveZeroIn), leaf);
    let differsIn = kept.get(leaf)?.differsIn;
    for (const words of runs) if (differsIn === undefined && leafOf(await runOf(words), leaf) !== value) differsIn = words;
    if (differsIn === undefined) unfed.push(`${leaf} (the same everywhere)`);
    else lines.push(`    ${JSON.stringify(leaf)}: ${JSON.stringify({ aboveZeroIn, differsIn })}`);
  }
  writeFileSync(FILE, `{\n  "compare": ${JSON.stringify(committed.compare)},\n  "fields": {\n${lines.join(',\n')}\n  }\n}\n`);
  expect(unfed, 'nothing feeds these: take them out of the registry, or add a run to the candidates').toEqual([]);
}, 600_000);
