/**
 * An explanation: everything that `foliobench explain` tells of a policy, as data. What can be run is run: the steps are those
 * that the simulator takes in a stated scene, the answers those that scripted scenes got.
 */
import { PageBit, headOf, isPrivate } from '../model/file.ts';
import { EntryBit } from '../model/entries.ts';
import type { Host, HostRules } from '../model/host.ts';
import { ERRNOS } from '../model/errno.ts';
import { OPERATIONS, Op, PHASES } from '../model/operations.ts';
import type { OperationName, Phase } from '../model/operations.ts';
import { isFlushed } from '../model/inFlight.ts';
import { PLATFORMS, type PlatformName } from '../model/platform.ts';
import type { VmmStrategy } from '../model/request.ts';
import type { ContentRule } from '../model/shape.ts';
import { stage2Maps } from '../model/stage2.ts';
import { Mark } from '../model/step.ts';
import type { World } from '../model/world.ts';
import { valueOf, withChoices, type ChosenValues } from '../policies/choices.ts';
import { DEFAULT_CHECK } from '../policies/policy.ts';
import type { Argument, Check, ConversionPolicy, PolicyChoice } from '../policies/policy.ts';
import { wrongPolicies } from '../policies/wrong/index.ts';
import type { CostProfile } from '../simulate/costs.ts';
import { isVisible, othersCounts } from '../simulate/walk.ts';
import type { HeldLock, WalkedStep } from '../simulate/walk.ts';
import { a } from '../workloads/scripted.ts';
import { answersOf, type Answer } from './answers.ts';
import { FOLIO_ORDERS, type FolioSize } from './experiment.ts';
import { FILE_PAGES, MS, walkScene, type Script, type Stage } from './scenes.ts';
import { nothingChecked, type CommittedVerdict, type Safety, type VerdictsRecord } from './verdicts.ts';

export const EXPLANATION_SCHEMA = 'foliobench/explanation@1';

/** Who can reach the page after a step. */
export interface View {
  /** Present entries of the host's page tables, and entries that were cleared and may still be in a TLB. */
  readonly hostEntries: number;
  readonly staleEntries: number;
  /** Stage-2 maps it: the guest reaches it without a fault. */
  readonly guest: boolean;
  readonly state: 'private' | 'shared';
  /** Of the page's folio, as core-mm counts. */
  readonly refcount: number;
}

export type Counts = Readonly<Partial<Record<OperationName, number>>>;

/** What is shown after a step: of conversions a view, of other families a text a column. */
export type Seen = View | readonly string[];

export interface ExplainedStep<V extends Seen = View> {
  readonly routine: string;
  readonly name: string;
  readonly depth: number;
  /** May wait there for a lock or for other CPUs. */
  readonly waits: boolean;
  /** Step to go on at where it does not go on with the next. */
  readonly otherwise: string | null;
  readonly calls: string | null;
  /** Held after it, outermost first. */
  readonly locks: readonly HeldLock[];
  readonly operations: Counts;
  /** Time of the one who takes the step, answers of other CPUs included. */
  readonly ns: number;
  /** What other CPUs do for it, and what that costs them. */
  readonly others: Counts;
  readonly othersNs: number;
  readonly view: V;
}

/** One access from its first step to its last. */
export interface ExplainedPart<V extends Seen = View> {
  readonly name: V extends View ? 'to-private' | 'to-shared' | 'mmap' | 'to-private of a page in use' : string;
  readonly asked: string;
  readonly result: 'done' | 'failed';
  /** Who can reach the page before the first step. */
  readonly before: V;
  readonly steps: readonly ExplainedStep<V>[];
  /** Steps of the same routines that this scene has no use for, with where they lead otherwise. */
  readonly notTaken: readonly { readonly routine: string; readonly steps: readonly string[] }[];
  /** Phases that took any time. */
  readonly phasesNs: Readonly<Partial<Record<Phase, number>>>;
  readonly ns: number;
  readonly othersNs: number;
}

export interface ExplainedVerdict {
  readonly check: Check | null;
  readonly safe: string;
  /** Committed verdicts of the cell: litmus files that it was explored under. */
  readonly litmusFiles: number;
}

/** What a page about a policy of any family says. */
export interface ExplanationPage<V extends Seen> {
  readonly schema: typeof EXPLANATION_SCHEMA;
  readonly policy: string;
  readonly summary: string;
  readonly check: Check | null;
  readonly argument: Argument | null;
  /** What no source fixes, and how it is chosen here. */
  readonly choices: readonly (PolicyChoice & { readonly value: string })[];
  /** Where they were asked for. */
  readonly platform?: PlatformName;
  readonly vmm?: VmmStrategy;
  /** What the policy asks of both sides beside its steps. */
  readonly contract: readonly string[];
  readonly scene: string;
  readonly costs: { readonly name: string; readonly hash: string };
  readonly parts: readonly ExplainedPart<V>[];
  readonly answers: readonly Answer[];
  readonly verdicts: readonly ExplainedVerdict[];
}

export type Explanation = ExplanationPage<View>;

/** Of a policy of another family: what its columns are, and what they mean. */
export interface FamilyExplanation extends ExplanationPage<readonly string[]> {
  readonly family: string;
  readonly look: { readonly columns: readonly string[]; readonly legend: string };
}

export interface ExplainOptions {
  readonly policy: ConversionPolicy;
  /** The default where the policy takes one; ignored where it takes none. */
  readonly check?: Check;
  /** Absent: the defaults. */
  readonly choices?: ChosenValues;
  readonly costs: CostProfile;
  readonly folio: FolioSize;
  readonly vmas: number;
  /** Default: `sw-protected`. */
  readonly platform?: PlatformName;
  /** What the VMM does with a refusal; default: the policy's own. Its steps are a part of their own. */
  readonly vmm?: VmmStrategy;
  readonly safety: Safety;
  readonly verdicts: VerdictsRecord<CommittedVerdict> | undefined;
}

/** @throws UserError where so many mappings cannot be built */
export async function explainPolicy({ policy: open, check: wanted = DEFAULT_CHECK, choices: chosen, costs, folio, vmas, platform, vmm, safety, verdicts }: ExplainOptions): Promise<Explanation> {
  const policy = withChoices(open, chosen);
  const { name, summary, checks } = policy;
  // A mistake made on purpose is a copy of the policy that it is a mistake in, and nobody argues for it.
  const argument = wrongPolicies.includes(open) ? null : (policy.argument ?? null);
  const asked = { ...(platform === undefined ? {} : { platform }), ...(vmm === undefined ? {} : { vmm }) };
  const stage: Stage = { policy, check: wanted, costs, folioOrder: FOLIO_ORDERS[folio], vmas, ...asked };
  const rules = policy.rules({ check: wanted });
  return {
    schema: EXPLANATION_SCHEMA,
    policy: name,
    summary,
    check: checks.length === 0 ? null : wanted,
    argument,
    choices: (policy.choices ?? []).map((choice) => ({ ...choice, value: valueOf(choice, { check: wanted, ...(chosen === undefined ? {} : { choices: chosen }) }) })),
    ...asked,
    contract: contractOf(policy, rules, stage),
    scene: sceneOf(folio, vmas),
    costs: { name: costs.name, hash: costs.hash },
    parts: [...(await partsOf(stage)), ...(vmm === undefined || rules.ignoresRequests === true ? [] : [await refusalOf(stage)])],
    answers: await answersOf(stage),
    verdicts: (checks.length === 0 ? [null] : checks).map((check) => ({
      check,
      // What is committed was found with the defaults.
      safe: chosen === undefined ? safety(name, check) : nothingChecked(name, check),
      litmusFiles: chosen === undefined ? (verdicts?.verdicts.filter((verdict) => verdict.policy === name && verdict.check === check).length ?? 0) : 0,
    })),
  };
}

/* ---- both sides of the contract, in words ---- */

function contractOf({ coreOrder, ownerRefs = 0, vmmStrategy }: ConversionPolicy, rules: HostRules, { platform, vmm: asked }: Stage): readonly string[] {
  const { mmapHook, locksUntilLinked, gup, privateSignal, mapsPrivate, keeps, mappingsAreHarmless, vmm = {}, bareRequests, ignoresRequests } = rules;
  const { mapsAtStart, beforeToPrivate, afterRequest, remapsOnAccess, retriesOn, bounces } = vmm;
  const strategy = asked ?? vmmStrategy ?? vmm.strategy ?? 'back-off';
  const errnos = retriesOn?.map((errno) => ERRNOS[errno]).join(' and ') ?? 'EAGAIN';
  const lines: readonly (readonly [boolean, string])[] = [
    [ignoresRequests === true, 'kernel: ignores every request'],
    [coreOrder !== undefined, 'kernel: core-mm sees folios of 4 KiB, whatever the memory behind them'],
    [ownerRefs > 0, `kernel: the file's owner holds ${ownerRefs} reference more on each folio`],
    [true, mmapHook === undefined ? 'kernel: mmap is never refused for privacy' : 'kernel: the file\'s mmap hook looks at privacy'],
    [locksUntilLinked === true, 'kernel: the lock under which the hook looks is held until the VMA is linked'],
    [keeps === 'separate-memory', 'kernel: private pages have a memory of their own that nobody maps; what the host maps, faults in or pins is shared memory, whatever the guest uses'],
    [mapsPrivate === true && keeps !== 'separate-memory', 'kernel: private pages may be faulted in, and stay mapped'],
    [mappingsAreHarmless === true, 'platform: a mapping of a private page is harmless, an access through it is stopped'],
    [privateSignal !== undefined && privateSignal !== 'SIGBUS', `kernel: an access to a private page ends in ${privateSignal}`],
    [true, gup === undefined || (gup.allowed && gup.longTermAllowed) ? 'kernel: GUP of shared pages is allowed' : gup.allowed ? 'kernel: long-term GUP is refused' : 'kernel: all GUP is refused'],
    [bareRequests === true, 'VMM: is not asked, the request goes straight to the kernel\'s side'],
    [mapsAtStart?.private === 'none', 'VMM: maps nothing while all of the file is private'],
    [beforeToPrivate !== undefined, 'VMM: has a routine of its own before each to-private'],
    [afterRequest !== undefined, 'VMM: has a routine of its own after each request'],
    [remapsOnAccess === true, 'VMM: maps its window again where an access finds it unmapped'],
    [bounces === true && strategy !== 'bounce-copy', 'VMM: copies its short I/O through a bounce buffer'],
    [vmm.awaitsCallback === true, 'VMM: after EAGAIN it waits until it is told that the page is private, for 100 ms at most; where the page is still mapped there is no callback, and the next line holds'],
    [bareRequests !== true && ignoresRequests !== true, `VMM: after ${errnos} ${AFTER_REFUSAL[strategy]}`],
  ];
  return [...lines.flatMap(([holds, line]) => (holds ? [line] : [])), ...(platform === undefined ? [] : platformLines(platform))];
}

const CONTENTS: Readonly<Record<ContentRule, string>> = { none: 'are not kept', preserve: 'survive a conversion', zero: 'are zero after a conversion', scramble: 'are undefined after a conversion' };

const platformLines = (name: PlatformName): readonly string[] => [`platform ${name}: contents ${CONTENTS[PLATFORMS[name].content]}`, `platform ${name}, a rogue access: ${PLATFORMS[name].rogue}`];

const AFTER_REFUSAL: Readonly<Record<VmmStrategy, string>> = {
  'retry-at-once': 'it asks again at once',
  'back-off': 'it asks again, with back-off',
  'release-pins-first': 'it releases the buffers that it knows of and asks again, with back-off',
  'bounce-copy': 'it asks again, with back-off; its short I/O goes through bounce buffers from the start',
  'give-up': 'it gives up',
};

/* ---- the steps ---- */

const PAGE = 5;
/** So many pages are touched that the folio of `PAGE` has left its LRU batch (31 folios, drained when the next one comes). */
const TOUCHED = 32;

const sceneOf = (folio: FolioSize, vmas: number): string =>
  `a file of ${FILE_PAGES} pages in folios of ${folio}, all of it shared but for what is converted; page ${PAGE} is mapped and dirty in ${vmas === 1 ? '1 mapping' : `${vmas} mappings`} ` +
  'of the VMM\'s process and mapped in stage-2, and no LRU batch holds it; 2 vCPUs, the other one idle, and a thread of the VMM; nobody else is at work';

/** The parts of one scene: to-private of a page in use, to-shared of the same page, and mmap of it. */
async function partsOf(stage: Stage): Promise<readonly ExplainedPart[]> {
  const { vmas } = stage;
  const before: Script = [
    ...Array.from({ length: TOUCHED }, (_, page) => ({ by: 'vcpu', access: a.guestWrite(page) }) as const),
    { by: 'vcpu', access: a.toShared(0, FILE_PAGES) },
    { by: 'vcpu', access: a.guestWrite(PAGE) },
    ...Array.from({ length: vmas }, (_, window) => ({ by: 'vmm', access: a.hostWrite(PAGE, window) }) as const),
  ];
  const script: Script = [
    ...before,
    { by: 'vcpu', access: a.toPrivate(PAGE) },
    { by: 'vcpu', access: a.guestWrite(PAGE) },
    { by: 'vcpu', access: a.toShared(PAGE) },
    { by: 'vmm', access: a.unmap(PAGE) },
    { by: 'vmm', access: a.map(PAGE) },
  ];
  const first = before.length;
  const { walked, host } = await walkScene(stage, script, [first - 1, first, first + 1, first + 2, first + 3, first + 4], look);
  const [dirtied, toPrivate, touched, toShared, unmapped, mapped] = walked;
  const part = (name: ExplainedPart['name'], asked: string, earlier: readonly SeenStep[], steps: readonly SeenStep[]) => partOf({ name, asked, earlier, steps, host, costs: stage.costs });
  return [
    part('to-private', `a vCPU asks to have page ${PAGE} private`, dirtied, toPrivate),
    part('to-shared', `the same vCPU, which has written to it since, asks to share page ${PAGE}`, touched, toShared),
    part('mmap', `a thread of the VMM maps page ${PAGE} again, which it has unmapped before`, unmapped, mapped),
  ];
}

/** So long the buffer of `refusalOf` is held on, and its folio with it. */
const HELD_NS = 30_000;

/** A to-private that is refused because a registered buffer holds the page, which its owner drops a moment later: what the VMM does about it. */
async function refusalOf(stage: Stage): Promise<ExplainedPart> {
  const before: Script = [
    ...Array.from({ length: TOUCHED }, (_, page) => ({ by: 'vcpu', access: a.guestWrite(page) }) as const),
    { by: 'vcpu', access: a.toShared(0, FILE_PAGES) },
    { by: 'vmm', access: a.hostWrite(PAGE) },
    { by: 'vmm', access: a.pinLong(0, PAGE) },
  ];
  const asks = before.length;
  const script: Script = [...before, { by: 'vcpu', access: a.toPrivate(PAGE) }, { by: 'vmm', access: { ...a.unpin(0), atNs: asks * MS + HELD_NS } }];
  const { walked, host } = await walkScene(stage, script, [asks - 1, asks], look);
  const [pinned, refused] = walked;
  const text = `a vCPU asks to have page ${PAGE} private while a registered buffer of the VMM (a long-term pin) holds it, which its thread drops ${HELD_NS / 1000} us later`;
  return partOf({ name: 'to-private of a page in use', asked: text, earlier: pinned, steps: refused, host, costs: stage.costs });
}

const STALE = [EntryBit.StaleMunmap, EntryBit.StaleZap] as const;

type SeenStep<V extends Seen = View> = WalkedStep & { readonly view: V };

function look(step: WalkedStep, world: World): SeenStep {
  const { entry, shape, refcount } = world;
  let hostEntries = 0;
  let staleEntries = 0;
  for (let window = 0, at = PAGE; window < shape.windows; window++, at += shape.pages) {
    const bits = entry[at];
    if (bits & EntryBit.Present) hostEntries++;
    for (const stale of STALE) if (bits & stale && !isFlushed(world, stale, window, PAGE)) staleEntries++;
  }
  return {
    ...step,
    view: {
      hostEntries,
      staleEntries,
      guest: stage2Maps(world, PAGE),
      state: isPrivate(world, PAGE) ? 'private' : 'shared',
      refcount: world.pageState[headOf(world, PAGE)] & PageBit.Present ? refcount[headOf(world, PAGE)] : 0,
    },
  };
}

export interface PartOptions<V extends Seen, P> {
  readonly name: ExplainedPart<V>['name'];
  readonly asked: string;
  /** Another access before, whose last step shows how things stood. */
  readonly earlier: readonly SeenStep<V>[];
  readonly steps: readonly SeenStep<V>[];
  readonly host: { readonly program: P };
  readonly costs: CostProfile;
}

export function partOf<V extends Seen, P extends ProgramWords>({ name, asked, earlier, steps, host, costs }: PartOptions<V, P>): ExplainedPart<V> {
  const explained = steps.filter(isVisible).map((step) => explainStep(step, host, costs));
  const phases = PHASES.map((phase, index) => [phase, steps.reduce((sum, { phasesNs }) => sum + phasesNs[index], 0)] as const);
  const told = new Set(steps.flatMap(({ counts }) => counts.map(([operation]) => operation)));
  const isDone = (told.has(Op['access.done']) || told.has(Op['work.done'])) && !told.has(Op['access.failed']);
  return {
    name,
    asked,
    result: isDone || host.program.routineNames[steps[0].at] === 'ignored' ? 'done' : 'failed',
    before: earlier[earlier.length - 1].view,
    steps: explained,
    notTaken: notTakenOf(steps, host),
    phasesNs: Object.fromEntries(phases.filter(([, ns]) => ns > 0)),
    ns: phases.reduce((sum, [, ns]) => sum + ns, 0),
    othersNs: explained.reduce((sum, { othersNs }) => sum + othersNs, 0),
  };
}

/** What of a program is told, whatever the world that it steps in. */
type ProgramWords = Pick<Host['program'], 'names' | 'routineNames' | 'otherwise' | 'callee' | 'marks'>;

const WAITING: ReadonlySet<number> = new Set([Mark.Waits, Mark.Acquire]);

function explainStep<V extends Seen>({ routine, name, at, depth, counts, phasesNs, locks, view }: SeenStep<V>, { program }: { readonly program: ProgramWords }, { priceNs }: CostProfile): ExplainedStep<V> {
  const others = othersCounts(counts);
  const own = counts.map(([operation, times]) => [operation, times - (others.get(operation) ?? 0)] as const).filter(([, times]) => times > 0);
  return {
    routine,
    name,
    depth,
    waits: WAITING.has(program.marks[at]),
    otherwise: branchOf(program, at),
    calls: program.callee[at] === 0 ? null : program.routineNames[program.callee[at]],
    locks,
    operations: countsOf(own),
    ns: phasesNs.reduce((sum, ns) => sum + ns, 0),
    others: countsOf([...others]),
    othersNs: [...others].reduce((sum, [operation, times]) => sum + times * priceNs[operation], 0),
    view,
  };
}

const branchOf = ({ otherwise, names }: ProgramWords, at: number): string | null => (otherwise[at] === 0 ? null : names[otherwise[at]]);

/** Of what has a price. */
const countsOf = (counts: readonly (readonly [number, number])[]): Counts =>
  Object.fromEntries(counts.filter(([operation]) => OPERATIONS[operation].kind === 'work').map(([operation, times]) => [OPERATIONS[operation].name, times]));

/** Of every routine that was seen, in the order in which they were: what was not. */
function notTakenOf(steps: readonly WalkedStep[], { program }: { readonly program: ProgramWords }): ExplainedPart['notTaken'] {
  const taken = new Set(steps.map(({ at }) => at));
  return [...new Set(steps.map(({ routine }) => routine))].flatMap((routine) => {
    const missing = program.names.flatMap((name, at) => {
      if (program.routineNames[at] !== routine || taken.has(at) || !isVisible({ name, counts: [] })) return [];
      const branch = branchOf(program, at);
      return [branch === null ? name : `${name} (or ${branch})`];
    });
    return missing.length === 0 ? [] : [{ routine, steps: missing }];
  });
}
