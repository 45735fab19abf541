/**
 * Calibration: everything that this machine's kernel lets itself be measured in, as one record of points.
 *
 * Leaves nothing behind: what it opens it closes, also when it is interrupted or fails, and the CPUs that this thread may use are
 * those of before.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { distUrl } from '../harness/distFile.ts';
import type { Environment } from '../harness/record.ts';
import { cpusOf, readMask, writeMask } from './affinity.ts';
import { openBacking } from './backing.ts';
import type { Backing, BackingName, Lack } from './backing.ts';
import { placesOf } from './grids.ts';
import { openLibc } from './libc.ts';
import { measure } from './measure.ts';
import type { MeasureOptions } from './measure.ts';
import { POINTS_SCHEMA } from './points.ts';
import type { Behaviour, Place, PointsRecord } from './points.ts';
import { withScope } from './scope.ts';
import { openMachines } from './virtualMachine.ts';
import type { VmOperation } from './virtualMachine.ts';

export interface CalibrateOptions {
  readonly quick: boolean;
  /** Default: guest_memfd where there is one, else memfd. */
  readonly backing?: BackingName;
  /** Default: the grid that goes with `quick`. */
  readonly places?: (machine: { readonly cpus: number; readonly vmOperations: readonly VmOperation[] }) => readonly Place[];
  /** Default: what goes with `quick`. */
  readonly effort?: Effort;
  readonly version: string;
  readonly environment: Environment;
  /** YYYY-MM-DD. */
  readonly today: string;
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}

export type Effort = Pick<MeasureOptions, 'rounds' | 'runs' | 'budgetMs'>;

/** A quick run ends within a minute on two cores. */
const QUICK: Effort = { rounds: 5, runs: 5, budgetMs: 45_000 };
const THOROUGH: Effort = { rounds: 15, runs: 7, budgetMs: 1_800_000 };

const NOT_MEASURED: readonly Lack[] = [
  { operation: 'conversion in place', why: 'KVM_SET_MEMORY_ATTRIBUTES2 on a guest_memfd is asked of no kernel: it is in no released one, and the series that brings it may still change its number and its block' },
];

/** @throws UserError where this machine cannot be measured */
export async function calibrate(options: CalibrateOptions): Promise<PointsRecord & { readonly note: string | null }> {
  const { quick, effort = quick ? QUICK : THOROUGH, version, environment, today, nowMs, signal, onProgress } = options;
  const libc = await openLibc();
  return withScope(async (scope) => {
    const mask = readMask(libc);
    scope.defer(() => writeMask(libc, mask));
    const { backing, note } = openBacking(libc, scope, options.backing);
    const cpus = cpusOf(mask);
    const machines = openMachines(libc, scope, backing.name);
    const machine = { cpus: cpus.length, vmOperations: machines.operations };
    const places = options.places?.(machine) ?? placesOf({ quick, ...machine });
    const behaviours = await behavioursOf(backing);
    const { points, notMeasured } = await measure({ libc, backing, machines, places, cpus, ...effort, nowMs, signal, onProgress });
    return {
      schema: POINTS_SCHEMA,
      tool: { version },
      environment,
      hypervisor: hypervisorOf(readFileSync('/proc/cpuinfo', 'utf8')),
      backing: backing.name,
      date: today,
      quick,
      points,
      behaviours,
      notMeasured: [...notMeasured, ...backing.lacks, ...machines.lacks.filter(({ operation }) => !places.some((place) => place.operation === operation)), ...NOT_MEASURED],
      note,
    };
  });
}

/** @param cpuInfo text of /proc/cpuinfo; x86 tells there that it runs in a virtual machine */
export function hypervisorOf(cpuInfo: string): string {
  if (!/^flags\s*:/m.test(cpuInfo)) return 'unknown';
  return /^flags\s*:.*\bhypervisor\b/m.test(cpuInfo) ? 'this kernel runs in a virtual machine: its page tables are walked through those of its host, and an interrupt to another CPU leaves the guest' : 'none: bare metal';
}

/** What the kernel does to those who touch what is private; nothing of a memfd is. */
async function behavioursOf({ name }: Backing): Promise<readonly Behaviour[]> {
  if (name !== 'guest_memfd') return [];
  return [{ name: 'a process touches a private page', expected: 'killed by SIGBUS', observed: await endOf('touchPrivate') }];
}

/** How a process of ours ends, in words. */
function endOf(program: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [fileURLToPath(distUrl(`calibrate/${program}.js`))], { stdio: 'ignore' });
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(signal === null ? `ended with ${String(code)}` : `killed by ${signal}`));
  });
}
