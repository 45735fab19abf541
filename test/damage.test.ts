/**
 * Mistakes and accidents, with the program as it is installed: a mistake is one message and exit code 2 before any work;
 * after an accident `--resume` ends with the bytes of a run that had none. Runs `dist`, which `npm test` builds first.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { deterministicBytes, type ResultsRecord } from '../src/harness/record.ts';

const MAIN = fileURLToPath(new URL('../dist/src/cli/main.js', import.meta.url));
const RECORDED = fileURLToPath(new URL('../traces/arm64-boot-512m.csv.gz', import.meta.url));
/** A cell that costs next to nothing. */
const TINY = '--policy null --workload zipf --memory 16M --accesses 100';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foliobench-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const split = (words: string): readonly string[] => words.split(' ').filter((word) => word !== '');

/** Runs the program in the folder of the test, so that names of files are short in what it says. */
function foliobench(words: string | readonly string[]): Promise<Ended> {
  const list = typeof words === 'string' ? split(words) : words;
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...list], { cwd: folder, maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

/** What a mistake looks like: the code, no data, the message, and no file that was not there before. */
async function mistakeOf(words: string | readonly string[]): Promise<{ readonly code: number | null; readonly stdout: string; readonly message: readonly string[]; readonly written: readonly string[] }> {
  const before = readdirSync(folder);
  const { code, stdout, stderr } = await foliobench(words);
  return { code, stdout, message: stderr.split('\n'), written: readdirSync(folder).filter((name) => !before.includes(name)) };
}

const mistake = (what: string, why: string, fix: string) => ({
  code: 2,
  stdout: '',
  message: [`foliobench: ${what}`, `  why: ${why}`, `  fix: ${fix}`, ''],
  written: [],
});

describe('a mistake in the words is one message and exit code 2', () => {
  test.each([
    ['--policy sigbus-on-falt', 'unknown policy "sigbus-on-falt"', 'the nearest known are sigbus-on-fault, sigsegv-on-fault', 'pick one of `foliobench list policies`, or all, or the path of a module'],
    ['--workload seqential', 'unknown workload "seqential"', 'the nearest known are sequential', 'pick one of `foliobench list workloads`, or all, or the path of a trace'],
    ['--workload boot-512n', 'unknown workload "boot-512n"', 'the nearest known are boot-512m, arm64-boot-512m', 'pick one of `foliobench list workloads`, or all, or the path of a trace'],
    ['--workload ,', '"," names nothing', 'a list has at least one name', 'write it as a,b or leave the option away'],
    ['--policy ,,', '",," names nothing', 'a list has at least one name', 'write it as a,b or leave the option away'],
    ['--seeds ,', '"," names nothing', 'a list has at least one name', 'write it as a,b or leave the option away'],
    ['--check refcont', 'unknown check "refcont"', 'the nearest known are refcount, mapcount', 'pick one of them'],
    ['--costs publishd-x86', 'unknown cost profile "publishd-x86"', 'known are measured-nested-vm, published-x86', 'the nearest known: published-x86'],
    ['--costs ./none.json', 'cannot read the cost profile ./none.json', 'there is no such file', 'give the path of a JSON file, or one of the names measured-nested-vm, published-x86'],
    ['--seed 4294967296', '4294967296 is no seed', 'a seed is a whole number from 0 to 4294967295', 'pick one in that range, such as --seed 1'],
    ['--seed 1.5', '"1.5" is no whole number', 'a count has digits only', 'write it as in 100000'],
    ['--jobs 0', '"0" is too few', 'there has to be one at least', 'write 1 or more'],
    ['--shard 3/2', '"3/2" is no shard', 'a shard is i/n, part i (from 1) of n', 'write it as in 1/3, 2/3 and 3/3'],
    ['--accesses 0', '--accesses 0 is out of range', 'it has to be a whole number from 1 to 1000000000000', 'pick one in that range'],
    ['--memory 0', '"0" is no size', 'a size is a whole number above 0 with K, M, G or T behind it, with or without iB', 'write it as in 512M, 1GiB or 4096'],
    ['--memory 5000', 'a guest cannot have 5000 bytes of memory', 'guest memory comes in pages of 4096 bytes, and there must be one', 'pick a multiple of 4K, such as --memory 1GiB'],
    ['--workload zipf --memory 4M', 'workload "zipf" does not fit a guest of 1024 pages', 'with 2 actors it needs at least 2048 pages of 4 KiB', 'use --memory 8MiB or more'],
    ['--workload zipf --memory 3M --folio 2M', 'folios of 2M do not divide 3MiB of memory', '1048576 bytes would be left over', 'pick a multiple of 2MiB with --memory, or --folio 4K'],
    ['--workload zipf --memory 1T --vmas 9', '268435456 pages under 18 mappings are too many', 'they have 4831838208 page-table entries, those of a forked child among them, and at most 4294967296 fit', 'use a smaller --memory, fewer --vmas or fewer --processes'],
    ['--workload boot-512m --memory 1GiB', '--memory 1GiB contradicts boot-512m', 'it was recorded in a guest of 512MiB', 'leave --memory away, or name a synthetic workload, which takes any size'],
  ])('compare %s', async (words, what, why, fix) => {
    expect(await mistakeOf(`compare ${words} -o r.json`)).toEqual(mistake(what, why, fix));
  });

  test('a name that comes twice is no mistake: it is run once', async () => {
    const { code, stdout } = await foliobench(`compare ${TINY} --policy null,null --workload zipf,zipf --format json`);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as ResultsRecord).cells).toHaveLength(1);
  });
});

describe('a file that cannot be used is one message and exit code 2', () => {
  const lines = gunzipSync(readFileSync(RECORDED)).toString('utf8').split('\n');
  const first = lines.findIndex((line) => !line.startsWith('#')) + 1;
  const FIX = 'copy or record the trace again; the format is in traces/README.md';

  test.each<readonly [string, string, () => string | Uint8Array, string, string]>([
    ['that ends in the middle', 'short.csv', () => `${lines.slice(0, first + 1000).join('\n')}\n`, `short.csv, line ${first + 1000}: the trace is damaged`, 'the file ends after 1000 records; the header promises 18257'],
    ['that a hand has touched', 'hand.csv', () => lines.with(first + 500, lines[first + 500].replace(/vcpu\d|host/, 'vcpu9')).join('\n'), `hand.csv, line ${first + 501}: the trace is damaged`, 'unknown actor "vcpu9"; known are host, vcpu0, vcpu1'],
    ['that leaves the guest\'s memory', 'far.csv', () => lines.with(first + 500, lines[first + 500].replace(/,\d+,1$/, ',131072,1')).join('\n'), `far.csv, line ${first + 501}: the trace is damaged`, 'gfn 131072 is outside RAM, whose last page is 131071'],
    ['that touches a page first twice', 'twice.csv', () => lines.with(first + 500, lines[first + 499]).join('\n'), `twice.csv, line ${first + 501}: the trace is damaged`, `gfn ${lines[first + 499].split(',')[3]} was touched before; a page has one first touch`],
    ['of which only a part was copied', 'part.csv.gz', () => readFileSync(RECORDED).subarray(0, 60_000), 'part.csv.gz', 'the gzip data cannot be read on after here: unexpected end of file'],
    ['with impossible memory', 'memory.csv', () => lines.map((line) => line.replace(/^# guest_ram_bytes: .*/, '# guest_ram_bytes: 12345')).join('\n'), 'memory.csv, line 3: the trace is damaged', 'guest_ram_bytes is "12345"; it has to be a multiple of 4096 above 0'],
    ['that is something else', 'other.csv', () => 'hello\n', 'other.csv, line 1: the trace is damaged', 'the header ends without the key format'],
  ])('a trace %s', async (_, name, content, what, why) => {
    writeFileSync(join(folder, name), content());
    const { code, stdout, message, written } = await mistakeOf(`compare ${TINY} --workload ./${name} -o r.json`.replace('--memory 16M', ''));
    expect({ code, stdout, written }).toEqual({ code: 2, stdout: '', written: [] });
    expect(message[0]).toContain(what);
    expect(message.slice(1)).toEqual([`  why: ${why}`, `  fix: ${FIX}`, '']);
  });

  test('a trace that is not there', async () => {
    expect(await mistakeOf('compare --workload ./none.csv')).toEqual(
      mistake('there is no trace ./none.csv', 'no file has that path', 'give the path of a trace, or one of the names that `foliobench list workloads` prints'),
    );
  });

  test('a cost profile with a price that a hand has touched', async () => {
    const published = readFileSync(new URL('../results/costs/published-x86.json', import.meta.url), 'utf8');
    writeFileSync(join(folder, 'costs.json'), published.replace('"pte.zap"', '"pte.zpa"'));
    const { code, stdout, message, written } = await mistakeOf(`compare ${TINY} --costs ./costs.json -o r.json`);
    expect({ code, stdout, written }).toEqual({ code: 2, stdout: '', written: [] });
    expect(message.slice(0, 3)).toEqual(['foliobench: cannot use ./costs.json', '  why: it has a price for "pte.zpa", which is no operation', '  fix: the nearest known: pte.zap, pte.set']);
  });

  test('an output in a folder that does not exist, and one that is a folder', async () => {
    const missing = await mistakeOf(`compare ${TINY} -o none/r.json`);
    expect([missing.code, missing.stdout, missing.message[0], missing.message.at(-2), missing.written]).toEqual([
      2, '', 'foliobench: cannot write none/r.json.partial.jsonl', '  fix: pick another -o FILE, in a folder that exists and that you may write to', [],
    ]);
    mkdirSync(join(folder, 'taken'));
    expect(await mistakeOf(`compare ${TINY} -o taken`)).toEqual(mistake('cannot write taken', 'it is a folder', 'name a file in it'));
  });
});

/** Twelve cells that can be stopped in the middle, and small enough to be run again. */
const LONG = 'compare --policy null,lower-bound,sigbus-on-fault --workload sequential,zipf,bounce-ring,kexec --memory 16M --accesses 100000';

const read = (name = 'r.json'): ResultsRecord => JSON.parse(readFileSync(join(folder, name), 'utf8')) as ResultsRecord;
const journalLines = (): readonly string[] => (existsSync(join(folder, 'r.json.partial.jsonl')) ? readFileSync(join(folder, 'r.json.partial.jsonl'), 'utf8').split('\n') : []);

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<readonly [number | null, NodeJS.Signals | null]>;
}

function start(words: string): Running {
  const child = spawn(process.execPath, [MAIN, ...split(words)], { cwd: folder, stdio: 'ignore' });
  return { child, ended: new Promise((resolve) => child.on('exit', (code, signal) => resolve([code, signal]))) };
}

async function until(what: () => boolean, { child }: Running): Promise<void> {
  while (!what()) {
    if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode} before it could be stopped`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** A header, the finished cells, and what is behind the last newline. */
const finishedCells = (): number => Math.max(0, journalLines().length - 2);

let undisturbed: Promise<string> | undefined;
/** The bytes of a run that nothing happened to; run once. */
function undisturbedBytes(): Promise<string> {
  undisturbed ??= foliobench(`${LONG} --format json`).then(({ stdout }) => deterministicBytes(JSON.parse(stdout) as ResultsRecord));
  return undisturbed;
}

describe('after an accident', () => {
  test('kill -9 in the middle, a torn line, kill -9 again: --resume ends with the same bytes', async () => {
    for (const [cells, resume] of [[2, ''], [5, '--resume']] as const) {
      const running = start(`${LONG} -o r.json ${resume}`);
      await until(() => finishedCells() >= cells, running);
      running.child.kill('SIGKILL');
      expect(await running.ended).toEqual([null, 'SIGKILL']);
      expect(readdirSync(folder)).toEqual(['r.json.partial.jsonl']);
      appendFileSync(join(folder, 'r.json.partial.jsonl'), '{"key":"null / zipf / as to');
    }
    expect((await foliobench(`${LONG} -o r.json --resume --quiet`)).code).toBe(0);
    expect(readdirSync(folder)).toEqual(['r.json']);
    expect(deterministicBytes(read())).toBe(await undisturbedBytes());
  }, 180_000);

  test('Ctrl-C ends with 130 and a record that says it is not complete; --resume completes it', async () => {
    const running = start(`${LONG} -o r.json --jobs 1`);
    await until(() => finishedCells() >= 3, running);
    running.child.kill('SIGINT');
    expect(await running.ended).toEqual([130, null]);
    const { complete, cells } = read();
    expect(complete).toBe(false);
    expect(cells.length).toBe(finishedCells());
    expect((await foliobench(`${LONG} -o r.json --resume --quiet`)).code).toBe(0);
    expect(readdirSync(folder)).toEqual(['r.json']);
    expect(read().complete).toBe(true);
    expect(deterministicBytes(read())).toBe(await undisturbedBytes());
  }, 180_000);

  test.skipIf(!existsSync('/proc/self/stat'))('kill -9 of a worker costs nothing; of the second one for the same cell too, that cell, which --resume runs again', async () => {
    const running = start(`${LONG} -o r.json --isolate --jobs 1`);
    const killed: number[] = [];
    await until(() => {
      const worker = childrenOf(running.child.pid ?? 0).find((pid) => !killed.includes(pid));
      if (worker === undefined) return false;
      killed.push(worker);
      process.kill(worker, 'SIGKILL');
      return killed.length === 3;
    }, running);
    expect(await running.ended).toEqual([1, null]);
    const failed = read().cells.filter(({ status }) => status === 'failed');
    expect(failed).toHaveLength(1);
    expect(failed[0]).toMatchObject({ error: { what: 'the worker of this cell was lost 2 times', why: 'its process was killed by SIGKILL' } });
    expect((await foliobench(`${LONG} -o r.json --resume --quiet`)).code).toBe(0);
    expect(deterministicBytes(read())).toBe(await undisturbedBytes());
  }, 180_000);

  test('a journal of another experiment is left as it is', async () => {
    const running = start(`${LONG} -o r.json`);
    await until(() => finishedCells() >= 1, running);
    running.child.kill('SIGKILL');
    await running.ended;
    const before = journalLines();
    const { code, stderr } = await foliobench(`${LONG} --seed 2 -o r.json --resume`);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^foliobench: r\.json\.partial\.jsonl belongs to another experiment\n {2}why: its hash is [0-9a-f]{16}, this one's is [0-9a-f]{16}\n {2}fix: repeat the options of the run that it belongs to, or pick another -o FILE\n$/);
    const without = await foliobench(`${LONG} -o r.json`);
    expect([without.code, without.stderr.split('\n')[0]]).toEqual([2, 'foliobench: r.json.partial.jsonl holds the finished cells of an earlier run']);
    expect(journalLines()).toEqual(before);
  }, 60_000);

  test('a journal with a damaged line in the middle is told by its line', async () => {
    const running = start(`${LONG} -o r.json`);
    await until(() => finishedCells() >= 2, running);
    running.child.kill('SIGKILL');
    await running.ended;
    writeFileSync(join(folder, 'r.json.partial.jsonl'), journalLines().with(1, '{"key":').join('\n'));
    const { code, stderr } = await foliobench(`${LONG} -o r.json --resume`);
    expect([code, stderr]).toEqual([2, 'foliobench: r.json.partial.jsonl is damaged\n  why: line 2 is no finished cell, and only the last line may be torn\n  fix: remove that line: its cell runs again\n']);
  }, 60_000);
});

/** Processes whose parent is this one; Linux only. */
function childrenOf(parent: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => parentOf(pid) === parent)
    .map(Number);
}

function parentOf(pid: string): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return null; // it has ended since
  }
}
