/** One clear message for a mistake of the user: what went wrong, why, and how to fix it. The command line exits with 2. */
export class UserError extends Error {
  readonly what: string;
  readonly why: string;
  readonly fix: string;

  constructor({ what, why, fix }: { readonly what: string; readonly why: string; readonly fix: string }) {
    super(`${what}\n  why: ${why}\n  fix: ${fix}`);
    this.name = 'UserError';
    this.what = what;
    this.why = why;
    this.fix = fix;
  }
}

/** The names nearest to `wanted`, best first, for "unknown X" messages: those that contain it, then by edit distance. At most three. */
export function nearestNames(wanted: string, known: readonly string[]): readonly string[] {
  const lower = wanted.toLowerCase();
  return known
    .map((name) => ({ name, contains: name.toLowerCase().includes(lower), distance: editDistance(lower, name.toLowerCase()) }))
    .filter(({ name, contains, distance }) => contains || distance <= Math.max(2, name.length >> 1))
    .sort((a, b) => Number(b.contains) - Number(a.contains) || a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, 3)
    .map(({ name }) => name);
}

/** Levenshtein distance, one row at a time. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (from[i - 1] === to[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[to.length];
}
