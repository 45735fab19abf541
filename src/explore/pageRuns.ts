/** Runs of pages in words: one sentence for what several pages have in common. */

/** "page 0"; of more than one "pages 0..3". */
export const pagesName = (first: number, count: number): string => (count === 1 ? `page ${first}` : `pages ${first}..${first + count - 1}`);

/** Verbs of what pages do, of one and of several. */
const VERBS: Readonly<Record<string, string>> = { becomes: 'become', enters: 'enter', leaves: 'leave', is: 'are' };

/** Neighbours that differ in their page only, and follow each other, as one: "PTE of pages 0..3 flushed", "pages 0..1 become private". */
export function joinPages(told: readonly string[]): readonly string[] {
  const joined: string[] = [];
  let run: { readonly around: string; readonly first: number; last: number } | undefined;
  for (const change of told) {
    const [, before, page, behind] = /^(.*?\b)page (\d+)\b(.*)$/.exec(change) ?? [];
    const around = `${before}|${behind}`;
    if (page === undefined) run = undefined;
    else if (run?.around === around && Number(page) === run.last + 1) {
      run.last++;
      const verb = behind.split(' ')[1];
      const plural = before === '' && verb in VERBS ? behind.replace(verb, VERBS[verb]) : behind;
      joined[joined.length - 1] = `${before}${pagesName(run.first, run.last - run.first + 1)}${plural}`;
      continue;
    } else run = { around, first: Number(page), last: Number(page) };
    joined.push(change);
  }
  return joined;
}
