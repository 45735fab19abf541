/** Commands that a reader copies into a shell. */

/** A word as a shell takes it: paths may have spaces in them, and schedules have stars. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** The words of a command that was put together with `quoted`. */
export function wordsOf(command: string): readonly string[] {
  return [...command.matchAll(/(?:[^\s'\\]|'[^']*'|\\.)+/gs)].map(([word]) => word.replaceAll(/'([^']*)'|\\(.)/gs, (_, inQuotes?: string, escaped?: string) => inQuotes ?? escaped ?? ''));
}
