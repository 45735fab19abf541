/**
 * The host: all routines of a run put together, from the shape of the world and the rules of a policy.
 *
 * This is the one place that knows every routine. Where a policy does not say otherwise, the kernel behaves as guest_memfd
 * does today; where it does, only the named blocks change.
 */
import { Errno } from './errno.ts';
import { complete, copyRangeSteps, copySteps, fail, guestAccessSteps, hostAccessSteps } from './access.ts';
import { allocateSteps } from './allocate.ts';
import { convertRequestSteps } from './request.ts';
import type { VmmStrategy } from './request.ts';
import { faultCoreSteps } from './fault.ts';
import type { PrivateSignal } from './fault.ts';
import { WORKER_ENTRY } from './folioType.ts';
import { forkSteps } from './fork.ts';
import { releaseBuffersSteps } from './holding.ts';
import { gupRoutines } from './io.ts';
import { mappingRoutines } from './mapping.ts';
import { DEFAULT_PLATFORM, onPlatform } from './platform.ts';
import { closeSteps, punchSteps } from './punch.ts';
import { callbackSteps } from './putCallback.ts';
import { isWorked } from './shape.ts';
import type { Keeps, Shape } from './shape.ts';
import { secondaryAccessSteps, secondaryMapSteps } from './secondary.ts';
import { discardPrivateSteps, unmapRangeSteps } from './separate.ts';
import { buildProgram, free } from './step.ts';
import type { Program, Routine, Run, Step } from './step.ts';

/** Both sides of a policy's contract: what the kernel does, and what a well-behaved VMM does to live with it. */
export interface HostRules {
  /** The kernel's side of the two conversions: routines that leave `outcome`. */
  readonly toPrivate: readonly Step[];
  readonly toShared: readonly Step[];
  /** From shared to what the host may only read; default: EINVAL, there is no such state. */
  readonly toReadOnly?: readonly Step[];
  /** The file's mmap hook; a refusal sets `outcome` and goes on at `mmap.refused`. */
  readonly mmapHook?: readonly Step[];
  /** The mmap hook leaves invalidate_lock held for reading; it is dropped once the VMA is in i_mmap, or at `invalidate.readUnlockRefused` of the hook. */
  readonly locksUntilLinked?: boolean;
  readonly gup?: { readonly allowed: boolean; readonly longTermAllowed: boolean };
  /** What a CPU's access to a private page through a mapping ends in; default: SIGBUS. GUP's answer is EFAULT either way. */
  readonly privateSignal?: PrivateSignal;
  /** What the kernel keeps of a page beyond what guest_memfd does: see `Shape`. */
  readonly keeps?: Keeps;
  /** Private pages may be faulted in and stay mapped. */
  readonly mapsPrivate?: boolean;
  /** See `Shape`. */
  readonly mappingsAreHarmless?: boolean;
  /** Large folios are split and put together again: see `Shape`. */
  readonly splits?: boolean;
  readonly vmm?: {
    /** What is mapped when the run starts, where everything is private and where everything is shared. */
    readonly mapsAtStart?: { readonly private: StartMapping; readonly shared: StartMapping };
    readonly beforeToPrivate?: Routine;
    readonly afterRequest?: Routine;
    /** Maps its window again at a host access that finds it unmapped. */
    readonly remapsOnAccess?: boolean;
    /** Errnos of a conversion that it answers with another attempt; default: EAGAIN. */
    readonly retriesOn?: readonly number[];
    /** Short I/O goes through a bounce buffer. */
    readonly bounces?: boolean;
    /** It is told when a conversion that the kernel has put off ends, and waits for that in place of trying again. */
    readonly awaitsCallback?: boolean;
    /** What it does with a refusal that another attempt may change; default: back off. */
    readonly strategy?: VmmStrategy;
  };
  /** Requests go straight to the kernel's side: no exit to the VMM, no system call. */
  readonly bareRequests?: boolean;
  /** Requests do nothing at all and every page is shared. */
  readonly ignoresRequests?: boolean;
}

/** Where the host's entries are of single pages: a PMD would have to be write-protected. */
const MAPS_PAGES_ONLY: ReadonlySet<Keeps> = new Set(['read-only']);

/** What the rules ask of the world that they are for. */
const shapeOfRules = ({ keeps, mappingsAreHarmless = false, splits = false }: HostRules): Pick<Shape, 'keeps' | 'mappingsAreHarmless' | 'splits' | 'pmdMappings'> => ({
  ...(keeps === undefined ? {} : { keeps }),
  ...(keeps !== undefined && MAPS_PAGES_ONLY.has(keeps) ? { pmdMappings: false } : {}),
  ...(mappingsAreHarmless ? { mappingsAreHarmless } : {}),
  ...(splits ? { splits } : {}),
});

/** The shape with what the rules ask of it; the worker, where there is one, is a task more. */
export function shapeUnder(rules: HostRules, shape: Shape): Shape {
  const whole = { ...shape, ...shapeOfRules(rules) };
  return isWorked(whole) ? { ...whole, tasks: whole.tasks + 1 } : whole;
}

/** An attribute that the kernel does not know. */
const refuseUnsupported: Run = (world, task) => {
  world.outcome[task] = Errno.EINVAL;
  return fail(world, task);
};

/** `full`: one VMA over the file; `none`: no mapping. */
export type StartMapping = 'full' | 'none';

/** Routine of each access kind, by the values of the workloads' `Access`. */
const ACCESS_ROUTINES = [
  '', 'guestAccess', 'guestAccess', 'hostRead', 'hostWrite', 'convert', 'convert', 'io', 'pinShort', 'pinLong', 'splice',
  'deviceAccess', 'unpin', 'copy', 'punch', 'unmap', 'map', 'fork', 'allocate', 'close', 'secondaryMap', 'secondaryAccess', 'convertReadOnly',
] as const;

export interface Host {
  readonly program: Program;
  /** Position at which an access of a kind begins, by kind. */
  readonly entries: Uint16Array;
}

/**
 * @param lazy the guest's first touch of a page donates it (see `Shape.lazy`)
 * @throws UserError where the platform finds no place for its part of a conversion
 */
export function buildHost(rules: HostRules, { lazy, platform = DEFAULT_PLATFORM, pmdMappings = false }: Pick<Shape, 'lazy' | 'platform' | 'pmdMappings'>): Host {
  const remap = rules.vmm?.remapsOnAccess ?? false;
  const aborts = rules.mappingsAreHarmless ?? false;
  const gup = { ...(rules.gup ?? { allowed: true, longTermAllowed: true }), exclusive: rules.keeps === 'exclusive-pins' };
  const { beforeToPrivate, afterRequest, retriesOn, awaitsCallback = false, strategy = 'back-off' } = rules.vmm ?? {};
  const drains = isWorked(rules);
  const whole = rules.bareRequests ?? false;
  const separate = rules.keeps === 'separate-memory';
  let deviceEntry = 0;
  const routines: Record<string, Routine> = {
    ...(drains ? { callback: { steps: onPlatform(platform, callbackSteps(), { toPrivate: true, whole: false }) } } : {}),
    guestAccess: { steps: guestAccessSteps({ lazy: lazy && !rules.ignoresRequests, drains, separate }) },
    hostRead: { steps: hostAccessSteps({ write: false, remap, aborts }) },
    hostWrite: { steps: hostAccessSteps({ write: true, remap, aborts }) },
    faultCore: { steps: faultCoreSteps({ ...rules, pmdMappings }) },
    copyRange: { steps: copyRangeSteps({ remap, aborts }), vmm: true },
    copy: { steps: copySteps() },
    ...gupRoutines({ ...gup, bounces: (rules.vmm?.bounces ?? false) || strategy === 'bounce-copy', remap }, () => deviceEntry),
    secondaryMap: { steps: secondaryMapSteps({ allowed: gup.allowed, remap }) },
    secondaryAccess: { steps: secondaryAccessSteps() },
    ...mappingRoutines(rules.mmapHook ?? [], rules.locksUntilLinked ?? false),
    fork: { steps: forkSteps() },
    punch: { steps: punchSteps({ splits: rules.splits ?? false, drains, separate }) },
    allocate: { steps: allocateSteps({ drains }) },
    close: { steps: closeSteps({ splits: rules.splits ?? false, drains, separate }) },
    toPrivate: { steps: rules.ignoresRequests ? rules.toPrivate : onPlatform(platform, rules.toPrivate, { toPrivate: true, whole }) },
    toShared: { steps: rules.ignoresRequests ? rules.toShared : onPlatform(platform, rules.toShared, { toPrivate: false, whole }) },
    ...(strategy === 'release-pins-first' ? { releasePins: { steps: releaseBuffersSteps(), vmm: true } } : {}),
    ...(separate ? { unmapRange: { steps: unmapRangeSteps(), vmm: true }, discardPrivate: { steps: discardPrivateSteps(), vmm: true } } : {}),
    ...(beforeToPrivate === undefined ? {} : { beforeToPrivate: { vmm: true, ...beforeToPrivate } }),
    ...(afterRequest === undefined ? {} : { afterRequest: { vmm: true, ...afterRequest } }),
    convertRequest: {
      steps: convertRequestSteps({
        ...(beforeToPrivate === undefined ? {} : { beforeToPrivate: 'beforeToPrivate' }),
        ...(afterRequest === undefined ? {} : { afterRequest: 'afterRequest' }),
        ...(retriesOn === undefined ? {} : { retriesOn }),
        bare: whole,
        awaitsCallback,
        strategy,
        platform,
        readOnly: rules.toReadOnly !== undefined,
      }),
    },
    ...(rules.toReadOnly === undefined ? {} : { toReadOnly: { steps: rules.toReadOnly } }),
    ignored: { steps: [free('request.ignored', complete)] },
    ...(rules.toReadOnly === undefined ? { unsupported: { steps: [free('request.unsupported', refuseUnsupported)] } } : {}),
  };
  const program = buildProgram(routines);
  deviceEntry = program.entry('device');
  if (drains && program.entry('callback') !== WORKER_ENTRY) throw new Error('the routine of the worker is not the first');
  const request = rules.ignoresRequests ? 'ignored' : 'convertRequest';
  const requests: Readonly<Record<string, string>> = { convert: request, convertReadOnly: rules.toReadOnly === undefined ? 'unsupported' : request };
  const entries = Uint16Array.from(ACCESS_ROUTINES, (routine) => (routine === '' ? 0 : program.entry(requests[routine] ?? routine)));
  return { program, entries };
}
