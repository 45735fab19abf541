/**
 * The recipe of traces/record, without a machine to record: what its scripts print is made here from their own printf formats, so
 * that a script and the reader cannot drift apart.
 *
 * test/fixtures/attributes.raw.txt is what attributes.bt really printed (bpftrace 0.17, Linux 6.18) for a program of two threads that
 * made the ioctls on a KVM without memory attributes: with its test for success turned to the error that such a KVM gives, and the vCPUs numbered in the order of
 * their first exit.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTraceFile } from '../src/workloads/traces/reader.ts';
import { checkTrace, openTrace } from '../src/workloads/traces/trace.ts';
import { OPTIONS, drain, linesOf } from './support/traceFiles.ts';
import { ROOT } from './tools/documents.ts';

const FOLDER = join(ROOT, 'traces', 'record');
const SCRIPTS = readdirSync(FOLDER).filter((name) => name.endsWith('.bt'));
const FINISH = join(FOLDER, 'finish.sh');
const FIXTURE = join(ROOT, 'test', 'fixtures', 'attributes.raw.txt');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'foliobench-record-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sourceOf = (script: string) => readFileSync(join(FOLDER, script), 'utf8');
/** The formats that a script prints, line by line, in its order. */
const formatsOf = (script: string): readonly string[] => [...sourceOf(script).matchAll(/printf\("((?:[^"\\]|\\.)*)"/g)].map(([, format]) => format.replaceAll('\\n', '\n'));
/** The parts of a format, one by one, in place of its conversions. */
function filled(format: string, ...values: readonly (number | string)[]): string {
  let next = 0;
  const text = format.replace(/%llu/g, () => String(values[next++]));
  if (next !== values.length || /%(?!\s)/.test(text)) throw new Error(`${JSON.stringify(format)} does not take ${values.length} values`);
  return text;
}
function formatOf(script: string, has: string): string {
  const found = [...new Set(formatsOf(script).filter((format) => format.includes(has)))];
  if (found.length !== 1) throw new Error(`${script} has ${found.length} formats with ${has}`);
  return found[0];
}

interface Made {
  readonly tNs: number;
  readonly vcpu: number;
  readonly toShared: boolean;
  readonly page: number;
  readonly count: number;
}
const recordOf = (script: string, { tNs, vcpu, toShared, page, count }: Made) => filled(formatOf(script, toShared ? ',to-shared,' : ',to-private,'), tNs, vcpu, page, count);

interface Run {
  readonly pages?: number;
  readonly vcpus?: number;
  readonly fromStart?: boolean;
  readonly counted?: number;
}

/** What bpftrace would print of one run of a script, noise included. */
function rawOf(script: string, records: readonly Made[], { pages = 64, vcpus = 2, fromStart = true, counted = records.length }: Run = {}): string {
  const begin = [
    formatOf(script, '# trace: '),
    formatOf(script, '# format: '),
    filled(formatOf(script, '# guest_ram_bytes: '), pages * 4096),
    formatOf(script, '# page_size: '),
    filled(formatOf(script, '# vcpus: '), vcpus),
    formatOf(script, '# recorded_by: '),
    formatOf(script, '# clock: '),
    formatOf(script, fromStart ? '# initial_state: private' : '# initial_state: by-first-request'),
  ];
  const end = [filled(formatOf(script, '# recorded: '), counted), filled(formatOf(script, '# refused: '), 3), filled(formatOf(script, '# outside_ram: '), 1), filled(formatOf(script, '# no_vcpu: '), 2)];
  return ['Attaching 5 probes...\n', ...begin, ...records.map((record) => recordOf(script, record)), ...end, '\n\n@records: 3\n@vcpu[14848]: 1\n\n'].join('');
}

/** Runs finish.sh over a text and gives the path of the trace. */
function finish(text: string, what = 'a test'): string {
  const raw = join(folder, 'raw.txt');
  const trace = join(folder, 'trace.csv.gz');
  writeFileSync(raw, text);
  writeFileSync(trace, execFileSync('sh', [FINISH, raw, what], { stdio: ['ignore', 'pipe', 'ignore'] }));
  return trace;
}
function complaintOfFinish(text: string): readonly [status: number | null, message: string] {
  writeFileSync(join(folder, 'raw.txt'), text);
  const { status, stderr } = spawnSync('sh', [FINISH, 'raw.txt'], { cwd: folder, encoding: 'utf8' });
  return [status, stderr];
}

const RECORDS: readonly Made[] = [
  { tNs: 0, vcpu: 0, toShared: true, page: 8, count: 4 },
  { tNs: 2_637_887_841, vcpu: 1, toShared: false, page: 0, count: 64 },
  { tNs: 2_637_922_333, vcpu: 0, toShared: true, page: 63, count: 1 },
];

describe('the scripts', () => {
  test('are four, each with what it records and how it is started in its head', () => {
    expect(SCRIPTS).toEqual(['attributes.bt', 'exits.bt', 'hypercalls.bt', 'pkvm-guest.bt']);
    for (const script of SCRIPTS) {
      expect(sourceOf(script)).toContain(`bpftrace ${script} `);
      expect(sourceOf(script)).toMatch(/Sources?: /);
    }
  });
  test.each(SCRIPTS)('%s counts each record that it prints', (script) => {
    const source = sourceOf(script);
    const counts = source.match(/@records\+\+;/g)?.length ?? 0;
    // Right before a record, or before the choice between the two.
    const choices = source.match(/@records\+\+;\n\t+if \([^\n]+\) \{\n\t+printf\("%llu,vcpu%llu,to-private,[^\n]+\n\t+\} else \{\n\t+printf\("%llu,vcpu%llu,to-shared,/g)?.length ?? 0;
    const singles = source.match(/@records\+\+;\n\t+printf\("%llu,vcpu%llu,to-/g)?.length ?? 0;
    expect([counts, source.match(/,to-(?:shared|private),/g)?.length]).toEqual([choices + singles, 2 * choices + singles]);
  });
});

describe.each(SCRIPTS)('what %s prints', (script) => {
  test('is a trace once finish.sh has put it in order', async () => {
    const trace = finish(rawOf(script, [RECORDS[1], RECORDS[0], RECORDS[2]]));
    const reader = await openTraceFile(trace);
    expect(reader.header).toMatchObject({ pageCount: 64, vcpuCount: 2, recordCount: 3, initialState: 'private', lostEvents: 0, guestWorkload: 'a test' });
    expect(await linesOf(reader)).toEqual(['0,vcpu0,to-shared,8,4', '2637887841,vcpu1,to-private,0,64', '2637922333,vcpu0,to-shared,63,1']);
    await expect(checkTrace(trace)).resolves.toBeUndefined();
  });
  test('of a guest that was running already starts by the first request', async () => {
    expect((await openTraceFile(finish(rawOf(script, RECORDS, { fromStart: false })))).header.initialState).toBe('by-first-request');
  });
  test('may have no records, and any number of them', async () => {
    expect(await linesOf(await openTraceFile(finish(rawOf(script, []))))).toEqual([]);
    const record: fc.Arbitrary<Made> = fc.record({ tNs: fc.nat({ max: 1000 }), vcpu: fc.nat({ max: 1 }), toShared: fc.boolean(), page: fc.nat({ max: 31 }), count: fc.integer({ min: 1, max: 32 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(record, { maxLength: 30 }), async (records) => {
        const inOrder = records.toSorted((a, b) => a.tNs - b.tNs).map((made) => recordOf(script, made).trimEnd());
        expect(await linesOf(await openTraceFile(finish(rawOf(script, records))))).toEqual(inOrder);
      }),
      { numRuns: 5 },
    );
  });
});

describe('finish.sh', () => {
  const [script] = SCRIPTS;
  test('refuses what is no recording, or was not ended', () => {
    expect(complaintOfFinish(rawOf(script, RECORDS).replace(/^# recorded: .*\n/m, ''))).toEqual([
      1,
      "finish.sh: raw.txt: it has no line '# recorded', so the recording was not ended: stop bpftrace with Ctrl-C or kill -INT\n",
    ]);
    expect(complaintOfFinish(rawOf(script, RECORDS).replace('to-shared', 'to-mars'))).toEqual([1, 'finish.sh: raw.txt: this line is none of a recording: 0,vcpu0,to-mars,8,4\n']);
    expect(complaintOfFinish(rawOf(script, RECORDS, { counted: 2 }))).toEqual([1, 'finish.sh: raw.txt: it has 3 records, and the script counted 2\n']);
  });
  test('tells of records that were lost, also in the trace and beside each result of it', async () => {
    const text = rawOf(script, RECORDS, { counted: 5 }).replace('# refused', 'Lost 2 events\n# refused');
    expect(complaintOfFinish(text)).toEqual([0, 'finish.sh: raw.txt: 2 of 5 records were lost; record again with BPFTRACE_PERF_RB_PAGES=1024\n']);
    const { notes } = await drain(await (await openTrace(finish(text))).open(OPTIONS));
    expect(notes).toContain('the recording lost 2 events');
  });
});

describe('a recording that was really made', () => {
  const text = readFileSync(FIXTURE, 'utf8');
  test('has the lines that attributes.bt prints today, and no others', () => {
    const patterns = formatsOf('attributes.bt').map((format) => new RegExp(`^${format.trimEnd().replace(/[.*+?^$()[\]|]/g, '\\$&').replaceAll('%llu', '\\d+')}$`));
    const lines = text.split('\n').filter((line) => line !== '' && !/^(?:Attaching \d+ probes\.\.\.|@.*)$/.test(line));
    expect(lines.filter((line) => !patterns.some((pattern) => pattern.test(line)))).toEqual([]);
    const absent = patterns.filter((pattern) => !lines.some((line) => pattern.test(line)));
    expect(absent.map(String)).toEqual([String(/^# initial_state: by-first-request$/)]); // it began before the guest
  });
  test('is replayed as it was made', async () => {
    const trace = finish(text, 'two threads that make ioctls');
    const { streams, notes } = await drain(await (await openTrace(trace)).open({ ...OPTIONS, pageCount: 16_384 }));
    expect(streams).toEqual({
      // Pages 8192 and 8193 were asked for at 4 GiB and one page above, where the memory of this guest goes on behind its lower 32 MiB.
      vcpu0: ['ToShared 8+4', 'ToPrivate 8192+2', 'ToPrivate 9000+5'],
      vcpu1: ['ToShared 108+4', 'ToPrivate 8193+2', 'ToPrivate 9001+5'],
      driver: [],
      vmm: [],
    });
    expect(notes[1]).toBe('recorded: 6 requests of the guest');
  });
});
