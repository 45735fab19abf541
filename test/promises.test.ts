/**
 * What holds in every cell, whatever the policy: every policy on every synthetic workload, explicit and lazy, with small
 * folios and large ones, and on recorded guests under every label.
 *
 * FOLIOBENCH_SOAK=1 runs all recorded guests, and the synthetic ones twenty times as long.
 */
import { describe, expect, test } from 'vitest';
import { Op, type OperationName } from '../src/model/operations.ts';
import { policies } from '../src/policies/index.ts';
import type { ConversionPolicy } from '../src/policies/policy.ts';
import { loadCostProfile } from '../src/simulate/costs.ts';
import { run } from '../src/simulate/run.ts';
import { DIRECTIONS, type Direction, type Tally } from '../src/simulate/tally.ts';
import { openTrace, traceNames, workloads } from '../src/workloads/index.ts';
import { Access, createBatch, type Workload, type WorkloadOptions } from '../src/workloads/workload.ts';

const IS_SOAK = process.env['FOLIOBENCH_SOAK'] !== undefined;
const ACCESSES = IS_SOAK ? 20_000 : 1000;
const costs = loadCostProfile('published-x86');
const OPTIONS: WorkloadOptions = {
  pageCount: 4096, accessCount: ACCESSES, seed: 1, vcpus: 2, processes: 1, windowsPerProcess: 1,
  conversion: 'explicit', dma: 'pool', io: 'direct', pace: 'closed',
};

interface Question {
  readonly workload: Workload;
  readonly folioOrder: number;
  readonly options: WorkloadOptions;
}

/** The tallies of one question, by policy. */
type Answers = ReadonlyMap<ConversionPolicy, Tally>;

async function ask({ workload, folioOrder, options }: Question): Promise<Answers> {
  const answers = new Map<ConversionPolicy, Tally>();
  for (const policy of policies) {
    const { tally } = await run({ policy, workload, check: 'refcount', costs, folioOrder, options });
    answers.set(policy, tally);
  }
  return answers;
}

/** What the streams themselves have in them, counted without any model. */
async function countStreams({ workload, options }: Question) {
  const { actors, close } = await workload.open(options);
  const batch = createBatch();
  const requested: Record<Direction, number> = { toPrivate: 0, toShared: 0 };
  const pages: Record<Direction, number> = { toPrivate: 0, toShared: 0 };
  const readOnly = { requests: 0, pages: 0 };
  let accesses = 0;
  for (const { fill } of actors) {
    for (let length = await fill(batch); length > 0; length = await fill(batch)) {
      accesses += length;
      for (let at = 0; at < length; at++) {
        const kind = batch.kind[at];
        if (kind === Access.ToReadOnly) {
          readOnly.requests++;
          readOnly.pages += batch.count[at];
        }
        if (kind !== Access.ToPrivate && kind !== Access.ToShared) continue;
        const direction = kind === Access.ToPrivate ? 'toPrivate' : 'toShared';
        requested[direction]++;
        pages[direction] += batch.count[at];
      }
    }
  }
  close?.();
  return { accesses, requested, pages, readOnly };
}

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((total, value) => total + value, 0);
const count = ({ operations }: Tally, name: OperationName): number => operations[Op[name]];
const isNull = ({ reference }: ConversionPolicy): boolean => reference === 'null';
/** Proposals that ask who has a page. An exclusive pin asks for pins alone: fixed-buffers and misbehaving-vmm have gets. */
const isSafe = ({ reference, checks }: ConversionPolicy): boolean => reference === undefined && checks.includes('refcount');

/** Two figures of each policy that have to be equal, and what they are. */
type Pair = readonly [what: string, one: (tally: Tally, policy: ConversionPolicy) => number, other: (tally: Tally, policy: ConversionPolicy) => number];

/** What does not hold, one sentence each; nothing where all promises are kept. */
async function complaintsOf(question: Question): Promise<readonly string[]> {
  const answers = await ask(question);
  const streams = await countStreams(question);
  const bound = [...answers].find(([{ reference }]) => reference === 'lower-bound')?.[1];
  if (bound === undefined) throw new Error('there is no lower-bound');
  const complaints: string[] = [];
  const equal = ([what, one, other]: Pair): void => {
    for (const [policy, tally] of answers) {
      const [left, right] = [one(tally, policy), other(tally, policy)];
      if (left !== right) complaints.push(`${policy.name}: ${what}: ${left} and ${right}`);
    }
  };

  equal(['accesses, and those of the streams', ({ accesses }) => accesses, () => streams.accesses]);
  equal(['accesses that ended, well or not, and all of them', (tally) => count(tally, 'access.done') + count(tally, 'access.failed'), ({ accesses }) => accesses]);
  equal(['completed accesses, and those counted by the model', ({ completed }) => completed, (tally) => count(tally, 'access.done')]);
  equal(['rogue accesses under refcount', (tally, policy) => (isSafe(policy) ? count(tally, 'access.rogue') : 0), () => 0]);
  equal(['exposures under refcount', (tally, policy) => (isSafe(policy) ? count(tally, 'access.exposed') : 0), () => 0]);

  for (const direction of DIRECTIONS) {
    const conversion = (tally: Tally) => tally.conversions[direction];
    const latency = (tally: Tally) => tally.latencyNs[direction];
    equal([`${direction} requests, and those that ended`, (tally) => conversion(tally).requested, (tally) => conversion(tally).succeeded + conversion(tally).timedOut + conversion(tally).gaveUp]);
    equal([`${direction} latencies, and requests that succeeded`, (tally) => latency(tally).count, (tally) => conversion(tally).succeeded]);
    equal([`values in the buckets of ${direction}`, (tally) => sum(latency(tally).pairs().map(([, values]) => values)), (tally) => latency(tally).count]);
    // Exactly: prices are multiples of 1/8 ns, whose sums have no error.
    equal([`phases of ${direction}, and its latency`, (tally) => sum(conversion(tally).phasesNs), (tally) => latency(tally).totalNs]);
    const least = bound.latencyNs[direction].meanNs ?? 0;
    equal([`mean ${direction} latency, and the larger of it and of the lower bound`, (tally) => latency(tally).meanNs ?? 0, (tally) => (latency(tally).count === 0 ? 0 : Math.max(latency(tally).meanNs ?? 0, least))]);

    // Everybody but `null`, which ignores them, has the same requests. A lazy guest asks by its faults too, and how many it
    // takes depends on what it was given: two vCPUs may fault on one page, a large leaf spares the next fault.
    const requested = (_: Tally, policy: ConversionPolicy): number => (isNull(policy) ? 0 : streams.requested[direction] + (countsReadOnly(policy, direction) ? streams.readOnly.requests : 0));
    const donates = question.options.conversion === 'lazy' && direction === 'toPrivate';
    equal([`${direction} requests, and those of the streams${donates ? ' at least' : ''}`, (tally) => conversion(tally).requested, (tally, policy) => (donates && !isNull(policy) ? Math.max(conversion(tally).requested, requested(tally, policy)) : requested(tally, policy))]);
    if (!donates) equal([`${direction} pages, and those of the streams`, (tally) => conversion(tally).pages, (_, policy) => (isNull(policy) ? 0 : streams.pages[direction] + (countsReadOnly(policy, direction) ? streams.readOnly.pages : 0))]);
  }
  return complaints;
}

/** Requests for a page that the host may only read are counted with those to share, under a policy that knows of them. */
const countsReadOnly = (policy: ConversionPolicy, direction: Direction): boolean => direction === 'toShared' && policy.rules({ check: 'refcount' }).toReadOnly !== undefined;

const MODES = [
  ['explicit', 0],
  ['explicit', 9],
  ['lazy', 0],
  ['lazy', 9],
] as const;

describe.each(MODES)('in every %s run with folios of order %i, sums and bounds hold', (conversion, folioOrder) => {
  test.each(workloads)('under $name', async (workload) => {
    expect(await complaintsOf({ workload, folioOrder, options: { ...OPTIONS, conversion } })).toEqual([]);
  }, 60_000);
});

describe('with several mappings, processes and vCPUs, and the guest\'s own buffers, sums and bounds hold', () => {
  test.each(workloads)('under $name', async (workload) => {
    expect(await complaintsOf({ workload, folioOrder: 0, options: { ...OPTIONS, vcpus: 3, processes: 2, windowsPerProcess: 3, dma: 'direct' } })).toEqual([]);
  }, 60_000);
});

/** The three labels of a recorded guest. */
const LABELS = [
  ['as today', { conversion: 'explicit', dma: 'pool' }],
  ['lazy donation', { conversion: 'lazy', dma: 'pool' }],
  ['counterfactual', { conversion: 'explicit', dma: 'direct' }],
] as const;
const RECORDED = IS_SOAK ? traceNames() : ['boot-512m', 'arm64-boot-512m'];

describe.each(LABELS)('on recorded guests %s, sums and bounds hold', (_, mode) => {
  test.each(RECORDED)('for %s', async (name) => {
    const workload = await openTrace(name);
    expect(await complaintsOf({ workload, folioOrder: 0, options: { ...OPTIONS, ...mode, pageCount: workload.memoryPages ?? 0 } })).toEqual([]);
  }, 300_000);
});

describe('the matrix', () => {
  test('has conversions in both directions under every policy that makes them, so that none of this is empty', async () => {
    const totals: Record<string, readonly [toPrivate: number, toShared: number]> = {};
    for (const workload of workloads) {
      for (const [{ name }, { conversions }] of await ask({ workload, folioOrder: 0, options: OPTIONS })) {
        const [toPrivate, toShared] = totals[name] ?? [0, 0];
        totals[name] = [toPrivate + conversions.toPrivate.succeeded, toShared + conversions.toShared.succeeded];
      }
    }
    const { null: ignored, ...makers } = totals;
    expect(ignored).toEqual([0, 0]);
    expect(Object.entries(makers).filter(([, made]) => Math.min(...made) < 400)).toEqual([]);
    expect(Object.keys(makers)).toEqual(policies.map(({ name }) => name).filter((name) => name !== 'null'));
  }, 60_000);
});
