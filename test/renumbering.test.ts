/**
 * No policy and no step of the host treats a page, a mapping or a thread by its number: numbered otherwise a litmus says the
 * same. That threads are interchangeable, and pages where everybody chooses, rests on it.
 *
 * With other threads it has as many states. With other pages or mappings it may have some more: page 0 and mapping 0 in a local
 * that nobody needs any more look like no page at all, and walks over the tables of a folio begin at its head.
 */
import { assert, constantFrom, nat, pre, property } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UserError } from '../src/model/userError.ts';
import { allPolicies, cellName, cellsOf, isSampled, libraryFiles } from './tools/library.ts';
import { randomLitmus, readRandom, textOf } from './tools/randomLitmus.ts';
import { hasNumberlessPages, renumber } from './tools/renumber.ts';
import type { Renumbering } from './tools/renumber.ts';
import { saidBy, searchCell } from './tools/searched.ts';
import type { Cell, Searched } from './tools/searched.ts';

const reductions = { merge: true, symmetry: false, movers: true };
const STATES_MAX = 5_000;
/** Where other work keeps the machine busy. */
const TIMEOUT_MS = 120_000;

interface Told {
  readonly said: Searched;
  /** [states, transitions]; a search that found something ended where the numbers had it. */
  readonly sizes: readonly number[];
}

function told(cell: Cell, { statesMax, outcomeOf = (outcome) => outcome }: { readonly statesMax: number; readonly outcomeOf?: (outcome: string) => string }): Told | undefined {
  const { result } = searchCell(cell, { reductions, keepResults: true, statesMax }).found;
  const said = saidBy(result);
  if (said?.outcomes === undefined) return said && { said, sizes: [] };
  return { said: { ...said, outcomes: said.outcomes.map(outcomeOf).sort() }, sizes: [result.states, result.transitions] };
}

function renumberingsOf({ litmus }: Cell): readonly Renumbering[] {
  const pages = litmus.world.pages > 1 && hasNumberlessPages(litmus);
  const windows = litmus.world.windowsPerProcess > 1;
  const threads = litmus.threads.filter(({ role }) => role === 'vcpu').length > 1 || litmus.threads.filter(({ role }) => role === 'vmm').length > 1;
  return [...(pages ? [{ pages }] : []), ...(windows ? [{ windows }] : []), ...(threads ? [{ threads }] : []), ...(pages && threads ? [{ pages, threads }] : [])];
}

/** What says something else when it is renumbered; undefined where the cell is too large, or has numbers that mean something. */
function deviations(cell: Cell): readonly string[] | undefined {
  const renumberings = renumberingsOf(cell);
  const first = renumberings.length === 0 ? undefined : told(cell, { statesMax: STATES_MAX });
  if (first === undefined) return undefined;
  return renumberings.flatMap((how) => {
    const { litmus, outcomeOf } = renumber(cell.litmus, how);
    const second = told({ ...cell, litmus }, { statesMax: Infinity, outcomeOf });
    const [expected, found] = [first, second].map((one) => JSON.stringify(how.pages || how.windows ? one?.said : one));
    return found === expected ? [] : [`${cellName(cell)} with other ${Object.keys(how).join(' and ')}: ${found} in place of ${expected}`];
  });
}

describe('pages, mappings and threads', () => {
  test('of the library can be numbered otherwise', () => {
    const asked = libraryFiles().filter(({ threads }) => threads.length > 1).flatMap(cellsOf).filter((cell) => cell.check === 'refcount' && isSampled(cell)).map(deviations);
    expect(asked.flatMap((found) => found ?? [])).toEqual([]);
    expect(asked.filter((found) => found !== undefined).length).toBeGreaterThan(40);
  }, TIMEOUT_MS);

  test('of random litmuses too', () => {
    let count = 0;
    assert(
      property(randomLitmus, nat(allPolicies.length - 1), constantFrom('refcount', 'mapped-or-pinned', 'mapcount'), (random, policy, check) => {
        const text = textOf(random);
        const litmus = readRandom(text);
        pre(litmus !== undefined);
        const found = deviationsOf({ litmus, policy: allPolicies[policy], check });
        pre(found !== undefined);
        count++;
        expect(found, `under ${allPolicies[policy].name}/${check}:\n${text}`).toEqual([]);
      }),
      { seed: 1, numRuns: 50 },
    );
    expect(count).toBeGreaterThanOrEqual(50);
  }, TIMEOUT_MS);

  /** undefined where the policy does not do what comes before, too. */
  function deviationsOf(cell: Cell): readonly string[] | undefined {
    try {
      return deviations(cell);
    } catch (error) {
      if (error instanceof UserError) return undefined;
      throw error;
    }
  }
});
