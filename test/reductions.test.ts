/**
 * Reductions change what a search costs and nothing of what it says: the same sentences hold or break, the same waits, the same
 * outcomes, with all reductions, with each alone and with none.
 *
 * Asked of the whole library (which cells are too large stands below), and of litmuses that nobody thought of. Of a file that is for all
 * policies the newer ones are asked in one cell of three, by its name: they share their steps. FOLIOBENCH_SOAK=1 asks them all, and
 * larger ones, too.
 */
import { assert, constantFrom, nat, pre, property } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { threadClasses } from '../src/explore/symmetry.ts';
import { ALL_REDUCTIONS } from '../src/explore/verdict.ts';
import { UserError } from '../src/model/userError.ts';
import { IS_SOAK, allPolicies, anyCellsOf, cellName, isSampled, libraryFiles, otherFiles } from './tools/library.ts';
import { randomLitmus, randomPmdLitmus, readRandom, textOf } from './tools/randomLitmus.ts';
import { REDUCTION_SETS, saidBy, searchCell, searched } from './tools/searched.ts';
import type { AnyCell, Cell, Searched } from './tools/searched.ts';

/** States of a search without reductions; cells that have more are left out. A soak goes further, and names them. */
const STATES_MAX = IS_SOAK ? 60_000 : 20_000;
/** The same of litmuses that are drawn at random, of which there is no lack. */
const RANDOM_STATES_MAX = IS_SOAK ? 4_000 : 1_200;
/** Up to so many, each reduction is asked alone too; with one thread there is nothing that could go wrong between two. */
const STATES_ALONE_MAX = 1_000;
/** Where other work keeps the machine busy. */
const TIMEOUT_MS = 120_000;

function isSymmetric(cell: AnyCell): boolean {
  const { createSymmetry, pagesAreAlike = false } = cell.litmus.family.createScene({ ...cell, reductions: ALL_REDUCTIONS, keepResults: false });
  return pagesAreAlike || createSymmetry?.() !== undefined;
}

/** With results in the states threads are not interchangeable: then outcomes are left out of the comparison. */
const withoutOutcomes = (said: Searched | undefined): Searched | undefined => (said?.outcomes === undefined ? said : { ...said, outcomes: [] });

/** Every set of reductions that says something else than the search without any. */
function deviations(cell: AnyCell, said: Searched, sets: readonly string[]): readonly string[] {
  return sets.flatMap((name) => {
    const reductions = REDUCTION_SETS[name];
    const forms = reductions.symmetry && isSymmetric(cell) ? [true, false] : [true];
    return forms.flatMap((keepResults) => {
      const other = searched(cell, { reductions, keepResults });
      const [expected, found] = keepResults ? [said, other] : [withoutOutcomes(said), withoutOutcomes(other)];
      return JSON.stringify(found) === JSON.stringify(expected) ? [] : [`${cellName(cell)}, ${name}: ${JSON.stringify(found)} in place of ${JSON.stringify(expected)}`];
    });
  });
}

const ALONE = Object.keys(REDUCTION_SETS).filter((name) => name !== 'all');
const asked = (cell: AnyCell): readonly string[] => ALONE.filter((name) => name !== 'symmetry' || isSymmetric(cell));

describe('reductions say what a search without them says', () => {
  const tooLarge: string[] = [];
  const files = libraryFiles();

  test.each([...files, ...otherFiles()].map((litmus) => ({ name: litmus.name, litmus })))('of $name', ({ litmus }) => {
    for (const cell of anyCellsOf(litmus).filter(isSampled)) {
      const { result } = searchCell(cell, { keepResults: true, statesMax: STATES_MAX }).found;
      const said = saidBy(result);
      if (said === undefined) {
        tooLarge.push(cellName(cell));
        continue;
      }
      const alone = litmus.threads.length > 1 && result.states <= STATES_ALONE_MAX;
      expect(deviations(cell, said, alone ? ['all', ...asked(cell)] : ['all'])).toEqual([]);
    }
  }, TIMEOUT_MS);

  test('but for a few cells that are too large without them', () => {
    const known = [
      'converter-fault-and-pin under refuse-mmap/refcount', 'migration-entries-are-waited-at under migrate-like/refcount', 'munmap-dirty under refuse-mmap/refcount',
      'pmd-munmap-dirty under refuse-mmap/refcount',
      'read-only-against-munmap under read-only-shared/refcount', 'read-only-forever under read-only-shared/refcount', 'reference-protocol under sigbus-on-fault/refcount', 'shared-again-while-pending under folio-put-callback/refcount',
      'two-processes under refuse-mmap/refcount',
    ];
    expect(tooLarge.filter((name) => IS_SOAK || known.includes(name))).toEqual(known);
    expect(tooLarge.length).toBeLessThan(110);
    // Threads that are interchangeable are for src/explore/symmetry.test.ts: few of these files have any.
    expect(files.filter((litmus) => threadClasses(litmus).length > 0).map(({ name }) => name)).toEqual(['reference-protocol', 'second-request-while-pending']);
  });
});

describe('of litmuses that are drawn at random', () => {
  test.each([['too', randomLitmus, 1, 40], ['and of those whose host maps regions with one entry', randomPmdLitmus, 2, 15]] as const)('%s', (_, drawn, seed, numRuns) => {
    const found = new Map<string, number>();
    assert(
      property(drawn, nat(allPolicies.length - 1), constantFrom('refcount', 'refcount', 'mapped-or-pinned', 'mapcount'), (random, policy, check) => {
        const text = textOf(random);
        const litmus = readRandom(text);
        pre(litmus !== undefined);
        const cell: Cell = { litmus, policy: allPolicies[policy], check };
        const said = saidOf(cell);
        pre(said !== undefined);
        const verdict = said.safety === 'proved' ? said.liveness : said.safety;
        found.set(verdict, (found.get(verdict) ?? 0) + 1);
        expect(deviations(cell, said, ['all', ...asked(cell)]), `under ${cell.policy.name}/${check}:\n${text}`).toEqual([]);
      }),
      { seed, numRuns },
    );
    expect([...found.keys()].sort()).toEqual(expect.arrayContaining(['no-exposure', 'proved']));
  }, TIMEOUT_MS);

  /** undefined where it is too large, or the policy does not do what comes before. */
  function saidOf(cell: Cell): Searched | undefined {
    try {
      return searched(cell, { keepResults: true, statesMax: RANDOM_STATES_MAX });
    } catch (error) {
      if (error instanceof UserError) return undefined;
      throw error;
    }
  }
});
