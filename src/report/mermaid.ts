/** A counterexample as a Mermaid sequence diagram: a message for what a step did, a note for what it changed. */
import type { Counterexample } from '../explore/verdict.ts';
import type { TracePart, TraceRow } from './traceRows.ts';

/** The diagram, ending in a newline; threads that take no step are left out. */
export function sequenceDiagram({ threads, sentence, what, rule }: Counterexample, rows: readonly TraceRow[]): string {
  const seen = [...new Set(rows.map(({ thread }) => thread))].sort((one, other) => one - other);
  const participants = seen.length > 0 ? seen : [0];
  const over = participants.length === 1 ? idOf(participants[0]) : `${idOf(participants[0])},${idOf(participants[participants.length - 1])}`;
  const lines = [
    ...participants.map((thread) => `participant ${idOf(thread)} as ${escape(threads[thread] ?? `thread ${thread}`)}`),
    ...rows.flatMap(({ thread, parts }) => parts.flatMap((part) => linesOf(part, thread, { threads, participants }))),
    ...(rule === '' ? [] : [`Note over ${over}: violated - ${escape(sentence)}${what === '' ? '' : `<br/>${escape(what)}`}`]),
  ];
  return `sequenceDiagram\n${lines.map((line) => `    ${line}\n`).join('')}`;
}

const idOf = (thread: number): string => `T${thread}`;

/** Characters that end a statement, begin a comment or part a message from its sender; and what would be a tag. */
export const escape = (text: string): string => text.replace(/[#;:<>]/g, (character) => `#${character.charCodeAt(0)};`);

interface Cast {
  readonly threads: readonly string[];
  readonly participants: readonly number[];
}

function linesOf(part: TracePart, thread: number, cast: Cast): readonly string[] {
  const id = idOf(thread);
  if (part.kind === 'begins') return [`Note over ${id}: ${escape(part.text)} begins`];
  if (part.kind === 'ends') return [`Note over ${id}: ends in ${escape(part.text)}`];
  if (part.kind === 'upTo') return [`${id}->>${id}: ${escape(part.step)}`];
  const asked = part.changes.flatMap((change) => receivers(change, cast));
  const notes = part.changes.filter((change) => receivers(change, cast).length === 0).map(escape);
  const step = escape(part.steps.join(', '));
  return [
    ...(asked.length === 0 ? [`${id}->>${id}: ${step}`] : asked.map(({ to, arrow, text }) => `${id}${arrow}${idOf(to)}: ${step}<br/>${escape(text)}`)),
    ...(notes.length === 0 ? [] : [`Note over ${id}: ${notes.join('<br/>')}`]),
  ];
}

interface Message {
  readonly to: number;
  readonly arrow: '->>' | '-->>';
  readonly text: string;
}

/** Whom a cross call or its acknowledgement goes to: "asks host to flush", "flushes its TLB for vcpu". */
function receivers(change: string, { threads, participants }: Cast): readonly Message[] {
  const [, asked] = /^asks (.+) to (?:flush|leave|drain)\b/.exec(change) ?? [];
  const [, answered] = /^(?:flushes its TLB|leaves the guest|drains its LRU batch) for (.+)$/.exec(change) ?? [];
  const names = asked?.split(', ') ?? (answered === undefined ? [] : [answered]);
  const to = names.map((name) => threads.indexOf(name)).filter((thread) => participants.includes(thread));
  return to.map((thread) => ({ to: thread, arrow: asked === undefined ? '-->>' : '->>', text: change }));
}
