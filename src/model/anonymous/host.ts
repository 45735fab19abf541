/**
 * The host of the family `unsharing`: all routines put together, from the rules of a policy and the shape of the world.
 */
import type { MemoryShape } from '../memory/shape.ts';
import { buildProgram } from '../step.ts';
import type { Program, Routine } from '../step.ts';
import { accessSteps } from './access.ts';
import { collapseSteps, splitPmdSteps } from './collapse.ts';
import { faultSteps } from './fault.ts';
import { forkSteps } from './fork.ts';
import { gupSteps } from './gup.ts';
import { deviceSteps, unpinSteps } from './holding.ts';
import { AnonymousAccess } from './kinds.ts';
import type { UnsharingRules } from './rules.ts';
import { swapInSteps, swapOutSteps } from './swap.ts';
import { writeProtectedSteps } from './writeProtect.ts';
import type { AnonymousWorld } from './world.ts';
import { exitSteps, protectSteps, unmapSteps, zapSteps } from './zap.ts';

export interface AnonymousHost {
  readonly program: Program<AnonymousWorld>;
  /** Position at which an access of a kind begins, by kind. */
  readonly entries: Uint16Array;
}

/** Routine of each access kind, by the values of `AnonymousAccess`. */
const ROUTINES = [
  '', 'access', 'access', 'fork', 'exit', 'gup', 'gup', 'gup', 'gup', 'gup', 'deviceRead', 'deviceWrite', 'unpin', 'protect', 'permit', 'unmap', 'dontNeed', 'swapOut', 'collapse',
  'splitPmd',
] as const;

/** @throws Error where a routine is not as it should be */
export function buildAnonymousHost(rules: UnsharingRules, { swapSlots, hugeFolios }: Pick<MemoryShape, 'swapSlots' | 'hugeFolios'>): AnonymousHost {
  const swap = swapSlots > 0;
  const huge = hugeFolios > 0;
  const routines: Readonly<Record<string, Routine<AnonymousWorld>>> = {
    access: { steps: accessSteps() },
    fault: { steps: faultSteps({ swap }) },
    writeProtected: { steps: writeProtectedSteps(rules, { swap, huge }) },
    ...(swap ? { swapIn: { steps: swapInSteps() } } : {}),
    gup: { steps: gupSteps(rules) },
    deviceRead: { steps: deviceSteps(false) },
    deviceWrite: { steps: deviceSteps(true) },
    unpin: { steps: unpinSteps() },
    fork: { steps: forkSteps(rules, { huge }) },
    zap: { steps: zapSteps({ huge }) },
    unmap: { steps: unmapSteps({ keepsVma: false }) },
    dontNeed: { steps: unmapSteps({ keepsVma: true }) },
    exit: { steps: exitSteps() },
    protect: { steps: protectSteps(true) },
    permit: { steps: protectSteps(false) },
    swapOut: { steps: swapOutSteps(rules) },
    collapse: { steps: collapseSteps() },
    splitPmd: { steps: splitPmdSteps() },
  };
  const program = buildProgram(routines);
  const entries = Uint16Array.from(ROUTINES, (routine) => (routine === '' ? 0 : program.entry(routine)));
  if (entries.length !== AnonymousAccess.SplitPmd + 1) throw new Error('an access has no routine');
  return { program, entries };
}
