/** Names and what they mean, a name a line, wrapped beside it. */
import { LINE_WIDTH, wrap } from './wrap.ts';

export interface ListEntry {
  readonly name: string;
  readonly text: string;
}

/** Ends in a newline. */
export function formatList(entries: readonly ListEntry[]): string {
  const indent = 2 + Math.max(...entries.map(({ name }) => name.length));
  return entries
    .flatMap(({ name, text }) => wrap(text, LINE_WIDTH - indent - 2).map((line, index) => `${(index === 0 ? name : '').padEnd(indent)}${line}\n`))
    .join('');
}
