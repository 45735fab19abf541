/**
 * Rows of a counterexample: how a trace of single steps becomes a table that is short enough to read.
 *
 * A row is a stretch that one thread runs while nobody else changes anything, up to the end of an operation. Steps that change nothing others can see are
 * folded away; where a stretch ends with one, its name says how far the thread came. Changes of one number by successive
 * steps become one: "folio.tryGet, folio.addPin: refcount of page 0: 2 -> 3 -> 1026". What is done and undone within a
 * stretch (interrupts off and on, a lock taken and dropped) is left out, because nobody saw it.
 */
import type { Counterexample, TraceStep } from '../explore/verdict.ts';

export type TracePart =
  /** An operation begins: as it stands in the file. */
  | { readonly kind: 'begins'; readonly text: string }
  /** The changes of one step, or of several that changed the same number. */
  | { readonly kind: 'change'; readonly steps: readonly string[]; readonly changes: readonly string[] }
  /** The last step of the stretch, where it changed nothing. */
  | { readonly kind: 'upTo'; readonly step: string }
  /** An operation ends: its result. */
  | { readonly kind: 'ends'; readonly text: string };

export interface TraceRow {
  readonly thread: number;
  readonly parts: readonly TracePart[];
}

export interface TraceRowsOptions {
  /** Tell which locks are taken and dropped. */
  readonly locks: boolean;
  /** Leave out numbers that are after a stretch what they were before it. */
  readonly brief?: boolean;
}

/** All rows, in the order of the trace. The last one is where the sentence breaks: it stays though it may change nothing. */
export function traceRows({ steps }: Pick<Counterexample, 'steps'>, options: TraceRowsOptions): readonly TraceRow[] {
  const stretches = stretchesOf(steps);
  const kept = stretches.filter((stretch, nth) => nth === stretches.length - 1 || partsOf(stretch, options).some(({ kind }) => kind === 'change' || kind === 'ends'));
  const folded = stretches.filter((stretch) => !kept.includes(stretch)).flat();
  return stretchesOf(kept.flat()).map((stretch) => {
    const [{ thread }] = stretch;
    const own = partsOf(stretch, options);
    return { thread, parts: [...lateBeginnings(steps, folded, stretch), ...own] };
  });
}

/** Runs of steps by one thread, up to the end of an operation. */
function stretchesOf(steps: readonly TraceStep[]): readonly (readonly TraceStep[])[] {
  const stretches: TraceStep[][] = [];
  for (const step of steps) {
    const last = stretches.at(-1);
    if (last?.[0].thread === step.thread && last.at(-1)?.ends === undefined) last.push(step);
    else stretches.push([step]);
  }
  return stretches;
}

/** Operations that began in a stretch that was folded away since the thread was last seen. */
function lateBeginnings(steps: readonly TraceStep[], folded: readonly TraceStep[], stretch: readonly TraceStep[]): readonly TracePart[] {
  const isOfThread = ({ thread }: TraceStep): boolean => thread === stretch[0].thread;
  const earlier = steps.slice(0, steps.indexOf(stretch[0])).filter(isOfThread);
  const sinceSeen = earlier.slice(earlier.findLastIndex((step) => !folded.includes(step)) + 1);
  return sinceSeen.flatMap(({ begins }) => (begins === undefined ? [] : [{ kind: 'begins' as const, text: begins }]));
}

/** A part, or a step that changed nothing. */
type RawPart = TracePart | { readonly kind: 'silent'; readonly step: string };

function partsOf(stretch: readonly TraceStep[], { locks, brief = false }: TraceRowsOptions): readonly TracePart[] {
  const told = withoutUndone(stretch.map(({ changes, locks: taken }) => (locks ? [...taken, ...changes] : changes)));
  const raw = stretch.flatMap(({ step, begins, ends }, nth): readonly RawPart[] => [
    ...(begins === undefined ? [] : [{ kind: 'begins', text: begins } as const]),
    told[nth].length === 0 ? { kind: 'silent', step } : { kind: 'change', steps: [step], changes: told[nth] },
    ...(ends === undefined ? [] : [{ kind: 'ends', text: ends } as const]),
  ]);
  const parts = joinNumbers(raw).filter((part) => !brief || part.kind !== 'change' || !part.changes.every(isBackAgain));
  return parts.flatMap((part, nth): readonly TracePart[] => {
    if (part.kind !== 'silent') return [part];
    return nth === parts.length - 1 ? [{ kind: 'upTo', step: part.step }] : [];
  });
}

/* ---- what is done and undone ---- */

/** What a change opens or closes within a stretch: interrupts, an invalidation, a lock. */
function bracketOf(change: string): { readonly what: string; readonly closes: boolean } | undefined {
  const [, what, end] = /^(interrupts|stage-2 invalidation) (off|on|begins|ends)$/.exec(change) ?? [];
  if (what !== undefined) return { what, closes: end === 'on' || end === 'ends' };
  const [, verb, lock] = /^(takes|downgrades|drops) (.*?)(?: \((?:read|write)\))?$/.exec(change) ?? [];
  return lock === undefined ? undefined : { what: lock, closes: verb === 'drops' };
}

/** The changes of each step without those that a later one of the same stretch takes back. */
function withoutUndone(told: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const flat = told.flatMap((changes, nth) => changes.map((change) => ({ nth, change, bracket: bracketOf(change) })));
  const undone = new Set<number>();
  for (const [at, { bracket }] of flat.entries()) {
    if (bracket?.closes !== true) continue;
    const inside = flat.flatMap((other, index) => (index < at && other.bracket?.what === bracket.what && !undone.has(index) ? [index] : []));
    const opening = inside.findLastIndex((index) => !flat[index].bracket?.closes && !flat[index].change.startsWith('downgrades'));
    if (opening >= 0) for (const index of [...inside.slice(opening), at]) undone.add(index);
  }
  return told.map((_, nth) => flat.filter((one, index) => one.nth === nth && !undone.has(index)).map(({ change }) => change));
}

/* ---- numbers ---- */

/** More steps than this between two changes of a number are not what it was changed for. */
const NAMED_BETWEEN = 2;

interface NumberChange {
  readonly what: string;
  readonly values: readonly string[];
  readonly remark: string;
}

function numberChange(change: string): NumberChange | undefined {
  const [, what, values, remark = ''] = /^(.*): (\S+(?: -> \S+)+)( \([a-z]+\))?$/.exec(change) ?? [];
  return what === undefined ? undefined : { what, values: values.split(' -> '), remark };
}

function isBackAgain(change: string): boolean {
  const values = numberChange(change)?.values;
  return values !== undefined && values[0] === values.at(-1);
}

/** Joins successive changes of one number; the few steps between them, which may have read it, are named with them. */
function joinNumbers(parts: readonly RawPart[]): readonly RawPart[] {
  const joined: RawPart[] = [];
  for (const part of parts) {
    const before = joined.findLastIndex(({ kind }) => kind !== 'silent');
    const last = joined[before];
    const both = last?.kind === 'change' && part.kind === 'change' ? sumOf(last.changes, part.changes) : undefined;
    if (last?.kind !== 'change' || part.kind !== 'change' || both === undefined) {
      joined.push(part);
      continue;
    }
    const between = joined.splice(before + 1).flatMap((silent) => (silent.kind === 'silent' ? [silent.step] : []));
    joined[before] = { kind: 'change', steps: [...last.steps, ...(between.length <= NAMED_BETWEEN ? between : []), ...part.steps], changes: [both] };
  }
  return joined;
}

function sumOf(before: readonly string[], after: readonly string[]): string | undefined {
  if (before.length !== 1 || after.length !== 1) return undefined;
  const [first, second] = [numberChange(before[0]), numberChange(after[0])];
  if (first === undefined || first.what !== second?.what || first.values.at(-1) !== second.values[0]) return undefined;
  return `${first.what}: ${[...first.values, ...second.values.slice(1)].join(' -> ')}${second.remark}`;
}
