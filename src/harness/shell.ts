/** Commands that a reader copies into a shell. */

/** A word as a shell takes it: paths may have spaces in them, and schedules have stars. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
