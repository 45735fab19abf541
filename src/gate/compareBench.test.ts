import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runWords } from '../../test/tools/commandLine.ts';
import { BENCH_SCHEMA, isBenchRecord, parseBenchRecord, type BenchRecord, type Measurement } from './benchRecord.ts';
import { compareBench, formatBenchComparison } from './compareBench.ts';

const here = { node: 'v20.19.0', platform: 'linux', arch: 'x64', cpuModel: 'a CPU', cpus: 2, kernel: '6.1' };
const rate = (figure: string, value: number, more: Partial<Measurement> = {}): Measurement => ({
  figure, unit: 'steps/s', better: 'more', value, low: value * 0.95, high: value * 1.05, samples: 7, byWallClock: value, target: null, byYardstick: value / 1000, ...more,
});
const recordOf = (measurements: readonly Measurement[], more: Partial<BenchRecord> = {}): BenchRecord => ({ schema: BENCH_SCHEMA, tool: { version: '1.0.0' }, environment: here, quick: false, cases: [{ name: 'c', measurements }], ...more });
const kinds = (before: BenchRecord, after: BenchRecord) => compareBench(before, after).changes.map(({ figure, kind }) => `${figure}: ${kind}`);

describe('two records of the bench', () => {
  test('differ where the ranges of a figure do not meet, to the better or to the worse', () => {
    const cost = (value: number) => rate('cost', value, { unit: 'ns/value', better: 'less' });
    expect(kinds(recordOf([rate('a', 100), rate('b', 100), rate('c', 100), cost(10)]), recordOf([rate('a', 80), rate('b', 120), rate('c', 104), cost(20)]))).toEqual(['a: slower', 'b: faster', 'c: within', 'cost: slower']);
  });

  test('may have figures that the other has not', () => {
    expect(kinds(recordOf([rate('old', 1)]), recordOf([rate('fresh', 1)]))).toEqual(['old: gone', 'fresh: new']);
  });

  test('of two machines are compared by the yardsticks of their processes: a machine twice as fast is no change', () => {
    const elsewhere = { environment: { ...here, cpuModel: 'b CPU' } };
    const twice = rate('a', 200, { byYardstick: 0.1 });
    const size = (value: number) => rate('memory', value, { unit: 'MiB', byYardstick: null });
    const { machines, changes } = compareBench(recordOf([rate('a', 100), size(7), rate('zero', 0)]), recordOf([twice, size(9), rate('zero', 0)], elsewhere));
    expect(machines).toEqual(['CPU a CPU, here b CPU']);
    expect(changes).toEqual([
      { figure: 'a', unit: 'by yardstick', kind: 'within', before: 0.1, after: 0.1 },
      { figure: 'memory', unit: 'MiB', kind: 'unlike', before: 7, after: 9 },
      { figure: 'zero', unit: 'steps/s', kind: 'unlike', before: 0, after: 0 },
    ]);
    // Records from before there were yardsticks.
    const { byYardstick: _none, ...without } = rate('a', 100);
    expect(kinds(recordOf([without]), recordOf([twice], elsewhere))).toEqual(['a: unlike']);
  });

  test('as text: what is slower first', () => {
    const text = formatBenchComparison(compareBench(recordOf([rate('a', 100), rate('b', 100), rate('old', 1)]), recordOf([rate('a', 100), rate('b', 80.123), rate('fresh', 2)], { quick: true })));
    expect(text).toBe(`one of them is of a quick run: its figures say nothing about speed

slower, beyond the range of either: 1
  b: 100 -> 80.12 steps/s (-20 %)

within the range of either: 1
  a: 100 -> 100 steps/s (the same)

only in the first: 1
  old: 1 steps/s

only in the second: 1
  fresh: 2 steps/s
`);
    expect(formatBenchComparison(compareBench(recordOf([]), recordOf([], { environment: { ...here, cpus: 4 } })))).toBe('another machine (cores 2, here 4): compared by their yardsticks\n');
  });
});

describe('a record of the bench', () => {
  test('is told from others by its schema, of whatever version', () => {
    expect([{ schema: 'foliobench/bench@1' }, { schema: 'foliobench/bench@9' }, { schema: 'foliobench/results@1' }, {}, null, 7].map(isBenchRecord)).toEqual([true, true, false, false, false, false]);
  });

  test('has each figure once, and as a number', () => {
    const whole = recordOf([rate('a', 1)]);
    expect(parseBenchRecord(JSON.parse(JSON.stringify(whole)), 'r.json')).toEqual(whole);
    expect(() => parseBenchRecord(recordOf([rate('a', 1), rate('a', 2)]), 'r.json')).toThrow('it has "a" twice');
    expect(() => parseBenchRecord(recordOf([rate('a', 1, { low: -1 })]), 'r.json')).toThrow('"a" is 1 between -1 and 1.05');
    expect(() => parseBenchRecord(null, 'r.json')).toThrow('its schema is null');
  });
});

describe('foliobench diff', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'foliobench-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('compares two records of the bench, as text and as JSON', async () => {
    const [old, fresh] = [join(folder, 'old.json'), join(folder, 'new.json')];
    await writeFile(old, JSON.stringify(recordOf([rate('a', 100)])));
    await writeFile(fresh, JSON.stringify(recordOf([rate('a', 50)])));
    const { exitCode, stdout } = await runWords(['diff', old, fresh], { folder });
    expect([exitCode, stdout]).toEqual([0, 'slower, beyond the range of either: 1\n  a: 100 -> 50 steps/s (-50 %)\n']);
    expect(JSON.parse((await runWords(['diff', old, fresh, '--format', 'json'], { folder })).stdout)).toEqual({ machines: [], quick: false, changes: [{ figure: 'a', unit: 'steps/s', kind: 'slower', before: 100, after: 50 }] });
  });
});
