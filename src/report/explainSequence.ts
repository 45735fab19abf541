/** One to-private as a Mermaid sequence diagram: the guest, the VMM, the kernel, and the CPUs that have to answer it. */
import type { Counts, ExplainedPart, ExplainedStep, Explanation, View } from '../harness/explanation.ts';
import { escape } from './mermaid.ts';
import { foldRounds, isRounds } from './rounds.ts';

const NAMES = { G: 'guest', V: 'VMM', K: 'kernel', O: 'other CPUs' } as const;
type Participant = keyof typeof NAMES;

/** Ends in a newline. */
export function explainedSequence({ parts }: Explanation): string {
  const part = parts.find(({ name }) => name === 'to-private');
  if (part === undefined) throw new Error('an explanation has a to-private');
  const lines = linesOf(part);
  const seen = (Object.keys(NAMES) as Participant[]).filter((one) => lines.some((line) => mentions(line, one)));
  return `sequenceDiagram\n${[...seen.map((one) => `participant ${one} as ${NAMES[one]}`), ...lines].map((line) => `    ${line}\n`).join('')}`;
}

function mentions(line: string, participant: Participant): boolean {
  const [, from, to, over] = /^(?:(\w)-?->>(\w)|Note over (\w)):/.exec(line) ?? [];
  return [from, to, over].includes(participant);
}

/** The routines of the VMM's own code; what they call is the kernel's. */
const OF_VMM: ReadonlySet<string> = new Set(['beforeToPrivate', 'afterRequest']);

function linesOf({ steps, before }: ExplainedPart): readonly string[] {
  const lines: string[] = [];
  /** Steps of the side that is at work which nobody else takes part in, not yet written. */
  let own: string[] = [];
  let side: Participant = 'K';
  let view = before;
  const say = (...more: readonly string[]): void => {
    if (own.length > 0) lines.push(`${side}->>${side}: ${escape(own.join(', '))}`);
    own = [];
    lines.push(...more);
  };
  for (const [nth, step] of foldRounds(steps).entries()) {
    if (isRounds(step)) {
      say(`Note over ${side}: the same ${step.steps} steps ${step.times} ${step.times === 1 ? 'time' : 'times'} more`);
    } else {
      const message = messageOf(step, nth === 0, side, lines.some((line) => mentions(line, 'V')));
      if (message !== undefined) {
        say(`${message.from}${message.back ? '--' : '-'}>>${message.to}: ${escape(message.text)}`);
        side = message.to;
      } else if (Object.keys(step.others).length > 0) {
        say(`K->>O: ${escape(`${step.name}, ${countsText(sentIn(step))}`)}`, `O-->>K: ${escape(countsText(step.others))}`);
      } else if (Object.keys(step.operations).length > 0 || changeText(view, step.view) !== '') {
        own.push(step.name);
      }
    }
    const change = changeText(view, step.view);
    if (change !== '') say(`Note over ${side}: ${escape(change)}`);
    view = step.view;
  }
  say();
  return lines;
}

interface Message {
  readonly from: Participant;
  readonly to: Participant;
  readonly text: string;
  readonly back: boolean;
}

/** A step that hands over to another side; undefined where it stays where it is. */
function messageOf({ routine, name, depth, operations }: ExplainedStep, isFirst: boolean, side: Participant, isVmmAsked: boolean): Message | undefined {
  if (isFirst) return { from: 'G', to: 'K', text: name, back: false };
  if (operations['user.exit'] !== undefined) return { from: 'K', to: 'V', text: name, back: false };
  if (operations.syscall !== undefined) return { from: 'V', to: 'K', text: name, back: false };
  if (depth === 0 && name.startsWith('request.')) return { from: side, to: 'G', text: name, back: true };
  if (side !== 'K' || !isVmmAsked) return undefined;
  if (name === 'ioctl.leave') return { from: 'K', to: 'V', text: name, back: true };
  return OF_VMM.has(routine) ? { from: 'K', to: 'V', text: `back in ${routine}`, back: true } : undefined;
}

/** What was sent to the others: interrupts that they were asked for. */
const sentIn = ({ operations }: ExplainedStep): Counts => Object.fromEntries(Object.entries(operations).filter(([name]) => ['tlb.ipi', 'stage2.kick', 'lru.drain'].includes(name)));

const countsText = (counts: Counts): string => Object.entries(counts).map(([name, times]) => (times === 1 ? name : `${times} x ${name}`)).join(', ');

function changeText(before: View, after: View): string {
  const changes = [
    before.hostEntries === after.hostEntries ? [] : [`host entries ${before.hostEntries} to ${after.hostEntries}`],
    before.staleEntries === after.staleEntries ? [] : [after.staleEntries === 0 ? 'no TLB has it' : `${after.staleEntries} may be in TLBs`],
    before.guest === after.guest ? [] : [after.guest ? 'the guest reaches it' : 'stage-2 does not map it'],
    before.state === after.state ? [] : [`the page is ${after.state}`],
    before.refcount === after.refcount ? [] : [`refcount ${before.refcount} to ${after.refcount}`],
  ];
  return changes.flat().join(', ');
}
