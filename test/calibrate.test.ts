/**
 * Calibration on the kernel that runs the tests: it measures, and leaves nothing behind. Skipped, with the reason in its name, where
 * the machine has no Linux or koffi; a guest_memfd is measured where there is one, else a memfd. No price is asserted: machines differ.
 */
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { compareWithKernel, sequencesOf } from '../src/calibrate/agreement.ts';
import { VmType } from '../src/calibrate/abi.ts';
import { openBacking } from '../src/calibrate/backing.ts';
import { calibrate } from '../src/calibrate/calibrate.ts';
import { openLibc } from '../src/calibrate/libc.ts';
import type { Libc } from '../src/calibrate/libc.ts';
import { withScope } from '../src/calibrate/scope.ts';
import { mapElsewhere } from '../src/calibrate/neighbours.ts';
import type { Place } from '../src/calibrate/points.ts';
import { PRIVATE_FILE, SHARED_FILE, openMachines } from '../src/calibrate/virtualMachine.ts';
import { readEnvironment } from '../src/harness/environment.ts';
import { readLibrary } from '../src/harness/litmusFiles.ts';
import { packageFolder } from '../src/harness/packageFolder.ts';
import { TaskFlag } from '../src/model/tasks.ts';
import { UserError } from '../src/model/userError.ts';
import { Access } from '../src/workloads/workload.ts';
import { reasonOf } from './support/refusal.ts';

const MAIN = fileURLToPath(new URL('../dist/src/cli/main.js', import.meta.url));

/** Null where this machine can be measured. */
const opened = await openLibc().catch((error: unknown) => (error instanceof UserError ? error.what : String(error)));
const lack = typeof opened === 'string' ? opened : null;
const libc = opened as Libc;
const reason = lack === null ? '' : ` (skipped: ${lack})`;
/** Null where there is a guest_memfd that a virtual machine can have mapped memory of. */
const vmLack = lack ?? (await withScope((scope) => openBacking(libc, scope, undefined).note));

const PLAIN = { pages: 4, vmas: 2, processes: 1, touched: true, dirty: true, cpus: 1 } as const;
const small = ({ cpus }: { readonly cpus: number }): readonly Place[] => [
  { ...PLAIN, operation: 'syscall', pages: 0 },
  { ...PLAIN, operation: 'mmap' },
  { ...PLAIN, operation: 'munmap' },
  { ...PLAIN, operation: 'fault.first' },
  { ...PLAIN, operation: 'fault.minor' },
  { ...PLAIN, operation: 'populate' },
  { ...PLAIN, operation: 'zap' },
  { ...PLAIN, operation: 'allocate' },
  { ...PLAIN, operation: 'punch', processes: 2, cpus: Math.min(2, cpus) },
  { ...PLAIN, operation: 'punch.one' },
  { ...PLAIN, operation: 'punch.empty' },
  { ...PLAIN, operation: 'gup.get' },
  { ...PLAIN, operation: 'gup.pin' },
  { ...PLAIN, operation: 'gup.unpin' },
  { ...PLAIN, operation: 'stage2.fault', vmas: 0 },
  { ...PLAIN, operation: 'stage2.punch' },
  { ...PLAIN, operation: 'convert.private', vmas: 0 },
  { ...PLAIN, operation: 'convert.shared', vmas: 0 },
  { ...PLAIN, operation: 'efault' },
  { ...PLAIN, operation: 'sigbus' },
  { ...PLAIN, operation: 'fork' },
  { ...PLAIN, operation: 'mixed' },
  { ...PLAIN, operation: 'mixed.forks', pages: 32 },
];

interface Options {
  readonly places?: typeof small;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number) => void;
}

const calibrateSmall = ({ places = small, signal = new AbortController().signal, onProgress = () => {} }: Options = {}) =>
  calibrate({ quick: true, places, effort: { rounds: 1, runs: 2, budgetMs: 60_000 }, version: 'test', environment: readEnvironment(), today: '2026-01-01', nowMs: () => performance.now(), signal, onProgress });

/** What the descriptors of a process lead to. */
function filesOf(process: string): readonly string[] {
  return readdirSync(`/proc/${process}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${process}/fd/${fd}`)];
    } catch {
      return []; // the folder's own
    }
  });
}

/** Ended ones too that nobody has waited for. */
function isChild(other: string): boolean {
  try {
    return readFileSync(`/proc/${other}/status`, 'utf8').includes(`PPid:\t${process.pid}\n`);
  } catch {
    return false; // gone meanwhile
  }
}

/** What this process has of files, by descriptor and by mapping, its children, and the CPUs that it may use. */
function holdings(): readonly string[] {
  const mappings = readFileSync('/proc/self/maps', 'utf8').split('\n').filter((line) => /memfd|kvm|io_uring|\/dev\/zero/.test(line));
  const children = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isChild(name));
  const status = readFileSync('/proc/thread-self/status', 'utf8').split('\n').filter((line) => line.startsWith('Cpus_allowed'));
  return [...filesOf('self'), ...mappings, ...children, ...status].toSorted();
}

describe.skipIf(lack !== null)(`calibration on this kernel${reason}`, () => {
  test('gives every place a time that can be, or says why it has none, and leaves nothing behind', async () => {
    await calibrateSmall(); // modules and threads of the first time are not its own
    const before = holdings();
    const { points, notMeasured, behaviours, backing } = await calibrateSmall();
    expect(holdings()).toEqual(before);
    const told = new Set([...points.map(({ operation }) => operation), ...notMeasured.map(({ operation }) => operation)]);
    for (const { operation } of small({ cpus: 1 })) expect(told).toContain(operation);
    for (const { ns, runs } of points) expect(runs > 0 && ns >= 0 && ns < 1e9).toBe(true);
    // A hole under mappings with entries has more to do than one under none.
    const nsOf = (operation: string): number => points.find((point) => point.operation === operation)?.ns ?? Number.NaN;
    expect(nsOf('punch')).toBeGreaterThan(nsOf('punch.empty'));
    expect(behaviours).toEqual(backing === 'memfd' ? [] : [{ name: 'a process touches a private page', expected: 'killed by SIGBUS', observed: 'killed by SIGBUS' }]);
  });

  test('leaves nothing behind either when it is interrupted in the middle, or fails there', async () => {
    await calibrateSmall();
    const before = holdings();
    const interrupt = new AbortController();
    await calibrateSmall({ signal: interrupt.signal, onProgress: (done) => (done === 9 ? interrupt.abort() : undefined) });
    expect(holdings()).toEqual(before);
    const fails = calibrateSmall({
      onProgress(done) {
        if (done === 9) throw new Error('no more');
      },
    });
    await expect(fails).rejects.toThrow('no more');
    expect(holdings()).toEqual(before);
  });

  test('the kernel answers what the model answers, in every litmus file as far as it can be asked and in random sequences', async () => {
    const litmus = (await readLibrary(packageFolder())).map((file) => file.litmus);
    const before = holdings();
    const agreement = await withScope((scope) => compareWithKernel(libc, openBacking(libc, scope, undefined).backing, sequencesOf(litmus, { count: 40, length: 40 })));
    expect(agreement.disagreements).toEqual([]);
    expect(agreement.sequences).toBeGreaterThan(100);
    expect(agreement.operations).toBeGreaterThan(1500);
    expect(holdings()).toEqual(before);
  });

  test('and one that answers otherwise is noticed: a memfd may be mapped privately', async () => {
    const { CopyOnWrite } = TaskFlag;
    const sequence = { name: 'private', pages: 2, windows: 1, shared: true, slots: 0, operations: [{ kind: Access.Map, page: 0, count: 1, slot: 0, window: 0, value: 0, flags: CopyOnWrite }] };
    const { disagreements } = await withScope((scope) => {
      const { backing } = openBacking(libc, scope, 'memfd');
      return compareWithKernel(libc, { ...backing, name: 'guest_memfd' }, [sequence]);
    });
    expect(disagreements.map(({ model, kernel }) => [model.errno, kernel.errno])).toEqual([['EINVAL', 'OK']]);
  });

  test.skipIf(vmLack !== null)(`a virtual machine is made, and faults and converts or says why not${vmLack === null ? '' : ` (skipped: ${vmLack})`}`, async () => {
    const before = holdings();
    await withScope((scope) => {
      const machines = openMachines(libc, scope, 'guest_memfd');
      const has = (operation: 'stage2.fault' | 'convert.private'): boolean => machines.operations.includes(operation);
      expect([...machines.operations, ...machines.lacks.map(({ operation }) => operation)].toSorted()).toEqual(['convert.private', 'convert.shared', 'stage2.fault', 'stage2.punch']);
      const ordinary = machines.create(scope, VmType.Default);
      ordinary.setMemory({ pages: 8, fd: ordinary.createFile(8, SHARED_FILE), hostAddress: 0 });
      expect(reasonOf(() => ordinary.preFault(0, 8))).toMatch(has('stage2.fault') ? /^none$/ : /^KVM_PRE_FAULT_MEMORY: (?:EOPNOTSUPP|ENOTTY|EINVAL)$/);
      expect(reasonOf(() => ordinary.setPrivate(0, 8, true))).toMatch(/^KVM_SET_MEMORY_ATTRIBUTES: (?:ENOTTY|EINVAL)$/);
      const converted = reasonOf(() => {
        const protectedMachine = machines.create(scope, VmType.SoftwareProtected);
        protectedMachine.setMemory({ pages: 8, fd: protectedMachine.createFile(8, PRIVATE_FILE), hostAddress: 0 });
        for (const isPrivate of [true, false]) protectedMachine.setPrivate(0, 8, isPrivate);
      });
      expect(converted).toMatch(has('convert.private') ? /^none$/ : /^KVM_(?:CREATE_VM\(KVM_X86_SW_PROTECTED_VM\)|SET_MEMORY_ATTRIBUTES|CREATE_GUEST_MEMFD): E[A-Z]+$/);
    });
    expect(holdings()).toEqual(before);
  });

  test('a process that maps the file elsewhere ends with its pipe, and does not wait to be killed', async () => {
    let beganMs = 0;
    await withScope(async (scope) => {
      const { backing } = openBacking(libc, scope, undefined);
      const fd = backing.createFile(4);
      scope.defer(() => void libc.close(fd));
      const mapper = await mapElsewhere(libc, { fd, pages: 4, vmas: 2 }, scope);
      mapper.touch('w');
      beganMs = performance.now();
    });
    expect(performance.now() - beganMs).toBeLessThan(8000); // killed after 10 s
  });

  test('Ctrl-C ends it with 130 and without output', async () => {
    const child = spawn(process.execPath, [MAIN, 'calibrate', '--quick'], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let output = '';
    child.stdout.on('data', (data: Buffer) => (output += data.toString()));
    child.stderr.on('data', (data: Buffer) => (output += data.toString()));
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    while (!filesOf(String(child.pid)).some((file) => /kvm|memfd/.test(file))) await new Promise((resolve) => setTimeout(resolve, 20));
    // As a terminal does: to the whole group.
    process.kill(-Number(child.pid), 'SIGINT');
    expect([await ended, output]).toEqual([130, '']);
  });
});
