/** Lines of text beside tables of at most 120 columns. */
export const LINE_WIDTH = 120;

/** Breaks at blanks; further lines are set in. A single word may be longer than a line. */
export function wrap(text: string, width = LINE_WIDTH): readonly string[] {
  const [first, ...words] = text.split(' ');
  const lines = [first];
  for (const word of words) {
    const line = `${lines[lines.length - 1]} ${word}`;
    if (line.length <= width) lines[lines.length - 1] = line;
    else lines.push(`  ${word}`);
  }
  return lines;
}
