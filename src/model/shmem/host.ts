/**
 * All routines of this world put together under the rules of a policy, and where an access of each kind begins.
 */
import { buildProgram } from '../step.ts';
import type { Program, Routines } from '../step.ts';
import { accessSteps, pinSteps, unpinSteps } from './access.ts';
import { faultSteps } from './fault.ts';
import { exitSteps, forkSteps } from './fork.ts';
import type { WpRules } from './kept.ts';
import { migrateSteps } from './migrate.ts';
import { MONITOR_ENTRY, monitorSteps } from './monitor.ts';
import { numaScanSteps, protectSteps, readBitSteps, scanSteps, unprotectSteps } from './protect.ts';
import { punchSteps } from './punch.ts';
import { reclaimSteps } from './reclaim.ts';
import { WpKind } from './tasks.ts';
import type { ShmemShape, ShmemWorld } from './world.ts';
import { dontNeedSteps, unmapSteps } from './zap.ts';

/** The routine of each access, by its kind. */
const ROUTINES: Readonly<Record<number, string>> = {
  [WpKind.Read]: 'access',
  [WpKind.Write]: 'access',
  [WpKind.Protect]: 'protect',
  [WpKind.Unprotect]: 'unprotect',
  [WpKind.Scan]: 'scan',
  [WpKind.ScanProtect]: 'scanProtect',
  [WpKind.DontNeed]: 'dontNeed',
  [WpKind.Reclaim]: 'reclaim',
  [WpKind.Punch]: 'punch',
  [WpKind.Fork]: 'fork',
  [WpKind.ForkWithEvents]: 'fork',
  [WpKind.Exit]: 'exit',
  [WpKind.NumaScan]: 'numaScan',
  [WpKind.Migrate]: 'migrate',
  [WpKind.Pin]: 'pin',
  [WpKind.Unpin]: 'unpin',
  [WpKind.ReadBit]: 'readBit',
};
const KINDS_MAX = 32;

export interface ShmemHost {
  readonly program: Program<ShmemWorld>;
  /** Position at which an access of a kind begins, by kind; 0 where there is none of this kind. */
  readonly entries: Uint16Array;
}

/** @throws Error where a routine is malformed */
export function buildShmemHost(rules: WpRules, shape: ShmemShape): ShmemHost {
  const routines: Routines<ShmemWorld> = {
    monitor: { steps: monitorSteps },
    access: { steps: accessSteps },
    fault: { steps: faultSteps(rules, shape) },
    protect: { steps: protectSteps(rules) },
    unprotect: { steps: unprotectSteps(rules) },
    scan: { steps: scanSteps(rules, false) },
    scanProtect: { steps: scanSteps(rules, true) },
    dontNeed: { steps: dontNeedSteps(rules) },
    unmapKeep: { steps: unmapSteps(rules, false) },
    unmapDrop: { steps: unmapSteps(rules, true) },
    reclaim: { steps: reclaimSteps },
    punch: { steps: punchSteps(rules) },
    fork: { steps: forkSteps(rules) },
    exit: { steps: exitSteps(rules) },
    numaScan: { steps: numaScanSteps(rules) },
    migrate: { steps: migrateSteps(rules) },
    pin: { steps: pinSteps },
    unpin: { steps: unpinSteps },
    readBit: { steps: readBitSteps(rules) },
  };
  const program = buildProgram<ShmemWorld>(routines);
  if (program.entry('monitor') !== MONITOR_ENTRY) throw new Error('the monitor is the first routine of the program');
  const entries = new Uint16Array(KINDS_MAX);
  for (const [kind, routine] of Object.entries(ROUTINES)) entries[Number(kind)] = program.entry(routine);
  return { program, entries };
}
