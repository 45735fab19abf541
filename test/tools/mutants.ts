/**
 * What the library of litmus files can see: every shipped policy with two adjacent steps swapped, against the library.
 *
 *   npm run mutants               ends with 1 where a survivor has no reason (test/tools/survivors.ts), where a reason fits no
 *                                 survivor, or where results/mutants.json says something else
 *   npm run mutants -- --update   writes results/mutants.json; the diff of the file is for the reviewer
 *
 * And the routines that ask the rules of the other families' policies: results/family-mutants.json (test/tools/familyMutation.ts), and
 * their reasons (test/tools/familySurvivors.ts).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createPool } from '../../src/harness/pool.ts';
import { runQueue } from '../../src/harness/queue.ts';
import { allFamilyFates, formatFamilyMutants } from './familyMutation.ts';
import { familyComplaintsAbout } from './familySurvivors.ts';
import { allMutants, formatMutants, mutantName, mutatedPolicies, type Fate, type MutantsRecord, type UnmutatedLibrary } from './mutation.ts';
import type { MutantResult, MutantTask } from './mutantWorker.ts';
import { complaintsAbout } from './survivors.ts';

const JOBS = 2;
/** Mutants between two lines of progress. */
const PROGRESS_STRIDE = 25;

// This file is dist/test/tools/mutants.js when it runs.
const WORKER = fileURLToPath(new URL('./mutantWorker.js', import.meta.url));
const COMMITTED = fileURLToPath(new URL('../../../results/mutants.json', import.meta.url));

const FAMILIES = fileURLToPath(new URL('../../../results/family-mutants.json', import.meta.url));

const record = await run();
const survivors = record.mutants.filter(({ killedBy }) => killedBy === null);
const complaints = [...complaintsAbout(survivors)];
const families = allFamilyFates((what) => process.stderr.write(`${what}\n`));
complaints.push(...familyComplaintsAbout(families.filter(({ killedBy }) => killedBy === null)));
if (process.argv.includes('--update')) {
  writeFileSync(COMMITTED, formatMutants(record));
  writeFileSync(FAMILIES, formatFamilyMutants(families));
} else {
  complaints.push(...differences(readFileSync(COMMITTED, 'utf8'), record));
  if (readFileSync(FAMILIES, 'utf8') !== formatFamilyMutants(families)) complaints.push('results/family-mutants.json says something else; if that is meant: npm run mutants -- --update');
}
process.stdout.write(`${record.mutants.length} mutants, ${survivors.length} survive; ${families.length} of the other families, ${families.filter(({ killedBy }) => killedBy === null).length} survive; left out: ${record.leftOut.map(({ policy, file }) => `${file} under ${policy}`).join(', ') || 'no file'}\n`);
if (complaints.length > 0) process.stdout.write(`${complaints.join('\n')}\n`);
process.exitCode = complaints.length > 0 ? 1 : 0;

async function run(): Promise<MutantsRecord> {
  const pool = createPool<MutantTask, MutantResult>({ jobs: JOBS, workerFile: WORKER });
  const { signal } = new AbortController();
  try {
    const libraries = new Map<string, UnmutatedLibrary>();
    await runQueue({
      queue: mutatedPolicies.map(({ name }) => name),
      jobs: JOBS,
      signal,
      run: (policy) => pool.run({ kind: 'unmutated', policy }),
      onResult(policy, result) {
        if (result.kind === 'unmutated') libraries.set(policy, result.unmutated);
      },
    });
    const mutants = allMutants();
    const fates = new Map<string, Fate>();
    await runQueue({
      queue: mutants,
      jobs: JOBS,
      signal,
      run: (mutant) => pool.run({ kind: 'mutant', mutant, files: libraries.get(mutant.policy)?.files ?? [] }),
      onResult(mutant, result) {
        if (result.kind === 'mutant') fates.set(mutantName(mutant), result.fate);
        if (fates.size % PROGRESS_STRIDE === 0) process.stderr.write(`${fates.size} of ${mutants.length} mutants\n`);
      },
    });
    return {
      leftOut: mutatedPolicies.flatMap(({ name: policy }) => (libraries.get(policy)?.leftOut ?? []).map((file) => ({ policy, file }))),
      mutants: mutants.flatMap((mutant) => fates.get(mutantName(mutant)) ?? []),
    };
  } finally {
    await pool.close();
  }
}

/** One line for each mutant of which the committed list says something else, and a last one with what to do. */
function differences(committed: string, current: MutantsRecord): readonly string[] {
  if (committed === formatMutants(current)) return [];
  const linesOf = (mutants: readonly Fate[]) => new Map(mutants.map((fate) => [mutantName(fate), JSON.stringify([fate.killedBy, fate.bounded])]));
  const before = linesOf((JSON.parse(committed) as MutantsRecord).mutants);
  const after = linesOf(current.mutants);
  const lines = [...new Set([...before.keys(), ...after.keys()])].flatMap((name) => {
    const [old, fresh] = [before.get(name), after.get(name)];
    return old === fresh ? [] : [`${name}: ${old ?? 'not in the list'}, now ${fresh ?? 'no mutant any more'}`];
  });
  return [...lines, 'results/mutants.json says something else; if that is meant: npm run mutants -- --update'];
}
