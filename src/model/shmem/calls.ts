/**
 * Where calls begin and end: what is timed, and that an access of the workload is done.
 */
import { Errno } from '../errno.ts';
import { Op } from '../operations.ts';
import { Flow } from '../step.ts';
import { WpKind } from './tasks.ts';
import type { ShmemRun } from './world.ts';

/** What is timed, by the index that steps raise. */
export const WpSpan = { Fault: 0, Userfault: 1, Protect: 2, Unprotect: 3, Scan: 4, Zap: 5, Reclaim: 6, Punch: 7, Fork: 8, Exit: 9, Numa: 10, Migrate: 11 } as const;
export const WP_LATENCIES = ['fault', 'userfault', 'protect', 'unprotect', 'scan', 'zap', 'reclaim', 'punch', 'fork', 'exit', 'numaScan', 'migrate'] as const;

const SPANS: Readonly<Record<number, number>> = {
  // The monitor's own calls take protections away.
  0: WpSpan.Unprotect,
  [WpKind.Protect]: WpSpan.Protect,
  [WpKind.Unprotect]: WpSpan.Unprotect,
  [WpKind.Scan]: WpSpan.Scan,
  [WpKind.ScanProtect]: WpSpan.Scan,
  [WpKind.DontNeed]: WpSpan.Zap,
  [WpKind.Reclaim]: WpSpan.Reclaim,
  [WpKind.Punch]: WpSpan.Punch,
  [WpKind.Fork]: WpSpan.Fork,
  [WpKind.ForkWithEvents]: WpSpan.Fork,
  [WpKind.Exit]: WpSpan.Exit,
  [WpKind.NumaScan]: WpSpan.Numa,
  [WpKind.Migrate]: WpSpan.Migrate,
};

/** Entry to the kernel: the call is timed from here on, and a walk begins at its range. */
export const beginCall: ShmemRun = (world, task) => {
  world.meter.charge(Op.syscall);
  world.meter.beginSpan(SPANS[world.kind[task]]);
  world.cursor[task] = world.rangeStart[task];
  return Flow.Next;
};

/** The monitor's calls are no accesses of the workload. What found pages in use has not done what it was asked for. The last step: results are read from it. */
export const endCall: ShmemRun = (world, task) => {
  const kind = world.kind[task];
  if (kind !== 0) world.meter.note(Op[world.outcome[task] === Errno.OK ? 'access.done' : 'access.failed']);
  world.meter.endSpan(SPANS[kind]);
  return Flow.Done;
};

/** The end of what is not timed. */
export const done: ShmemRun = (world) => {
  world.meter.note(Op['access.done']);
  return Flow.Done;
};
