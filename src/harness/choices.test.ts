import { describe, expect, test } from 'vitest';
import { policies } from '../policies/index.ts';
import { catalogue } from './builtIn.ts';
import { parseAlternatives, parseChosen, refuseUnusedChoices } from './choices.ts';
import { planCells } from './experiment.ts';
import { planExploration } from './exploration.ts';
import { exploreCell } from './exploreCell.ts';
import { readLitmusFiles } from './litmusFiles.ts';
import { packageFolder } from './packageFolder.ts';
import { ALL_REDUCTIONS } from '../explore/verdict.ts';
import { createExperiment, type Request } from './request.ts';
import { runCell } from './runCell.ts';

const parse = (...words: string[]) => parseChosen(words, policies);

describe('what a user chooses', () => {
  test('is told by policy and by name', () => {
    expect(parse('folio-mmapped.errno=EBUSY', 'folio-mmapped.closure=lock', 'sigbus-on-fault.kernelUnmaps=false')).toEqual({
      'folio-mmapped': { errno: 'EBUSY', closure: 'lock' },
      'sigbus-on-fault': { kernelUnmaps: 'false' },
    });
  });

  test('is nothing where it is the default', () => {
    expect(parse('folio-mmapped.errno=EPERM', 'refuse-mmap.errno=EBUSY')).toEqual({});
  });

  test.each([
    [['EBUSY'], '"EBUSY" chooses nothing\n  why: a choice is POLICY.NAME=VALUE\n  fix: write it as in folio-mmapped.errno=EBUSY'],
    [['folio-maped.errno=EBUSY'], 'unknown policy "folio-maped" in "folio-maped.errno=EBUSY"\n  why: the nearest known are folio-mmapped'],
    [['split-4k.errno=EBUSY'], 'split-4k leaves nothing to choose\n  why: these do: '],
    [['folio-mmapped.error=EBUSY'], 'unknown choice "error" of folio-mmapped\n  why: known are errno, closure\n  fix: foliobench explain folio-mmapped tells what there is to choose'],
    [['folio-mmapped.errno=EACCES'], 'unknown value "EACCES" of folio-mmapped.errno\n  why: known are EPERM, EBUSY\n  fix: pick one of them'],
    [['folio-mmapped.errno=EPERM', 'folio-mmapped.errno=EBUSY'], 'folio-mmapped.errno is chosen twice\n  why: as EPERM and as EBUSY\n  fix: leave one of them away'],
  ])('%j is refused', (words, message) => {
    expect(() => parse(...words)).toThrow(message);
  });

  test('of a policy that takes no part is refused', () => {
    expect(() => refuseUnusedChoices(['folio-mmapped.errno=EBUSY'], ['sigbus-on-fault', 'sigbus-on-fault'])).toThrow(
      '"folio-mmapped.errno=EBUSY" chooses for a policy that does not take part\n  why: these do: sigbus-on-fault\n  fix: add folio-mmapped to --policy, or leave the choice away',
    );
  });
});

describe('several values of a choice', () => {
  const alternatives = (...words: string[]) => parseAlternatives(words, policies);

  test('are a row each, the default without choices', () => {
    expect(alternatives('folio-mmapped.errno=EPERM,EBUSY')).toEqual({ 'folio-mmapped': [{}, { errno: 'EBUSY' }] });
    expect(alternatives('folio-mmapped.errno=all')).toEqual(alternatives('folio-mmapped.errno=EPERM, EBUSY'));
  });

  test('of two choices of one policy are every pair, and of two policies each their own', () => {
    expect(alternatives('folio-mmapped.errno=all', 'folio-mmapped.closure=backstop,lock', 'sigbus-on-fault.kernelUnmaps=false')).toEqual({
      'folio-mmapped': [{}, { closure: 'lock' }, { errno: 'EBUSY' }, { errno: 'EBUSY', closure: 'lock' }],
      'sigbus-on-fault': [{ kernelUnmaps: 'false' }],
    });
  });

  test('are rows once, however often they are named', () => {
    expect(alternatives('folio-mmapped.errno=EBUSY,EBUSY')).toEqual({ 'folio-mmapped': [{ errno: 'EBUSY' }] });
  });

  test.each([
    [['folio-mmapped.errno=EBUSY,EACCES'], 'unknown value "EACCES" of folio-mmapped.errno\n  why: known are EPERM, EBUSY'],
    [['folio-mmapped.error=all'], 'unknown choice "error" of folio-mmapped'],
    [['folio-maped.errno=EPERM,EBUSY'], 'unknown policy "folio-maped" in "folio-maped.errno=EPERM"'],
    [['folio-mmapped.errno=EPERM', 'folio-mmapped.errno=EBUSY'], 'folio-mmapped.errno is chosen twice'],
  ])('%j are refused', (words, message) => {
    expect(() => alternatives(...words)).toThrow(message);
  });
});

describe('a comparison with choices', () => {
  const request: Request = { policies: ['sigbus-on-fault', 'folio-mmapped'], workloads: ['ping-pong'], memoryBytes: 16 << 20, accesses: 500 };

  test('has them in its rows, its cells, their keys and its command', async () => {
    const experiment = await createExperiment({ ...request, choose: ['folio-mmapped.closure=lock'] }, catalogue);
    expect(experiment.rows).toEqual([{ policy: 'sigbus-on-fault', check: 'refcount' }, { policy: 'folio-mmapped', check: 'refcount', choices: { closure: 'lock' } }]);
    expect(experiment.command).toMatch(/ --choose folio-mmapped\.closure=lock$/);
    const [, chosen] = planCells(experiment);
    expect(chosen.cell.choices).toEqual({ closure: 'lock' });
    expect(chosen.key).toMatch(/^folio-mmapped \(refcount, closure=lock\) \/ ping-pong/);
  });

  test('has a row for each value, told apart in the record and in the table', async () => {
    const experiment = await createExperiment({ ...request, policies: ['folio-mmapped'], checks: ['mapcount', 'refcount'], choose: ['folio-mmapped.errno=all'] }, catalogue);
    expect(experiment.rows).toEqual([
      { policy: 'folio-mmapped', check: 'mapcount' },
      { policy: 'folio-mmapped', check: 'mapcount', choices: { errno: 'EBUSY' } },
      { policy: 'folio-mmapped', check: 'refcount' },
      { policy: 'folio-mmapped', check: 'refcount', choices: { errno: 'EBUSY' } },
    ]);
    expect(new Set(planCells(experiment).map(({ key }) => key)).size).toBe(4);
  });

  test('is the same experiment as without where they are the defaults, but for its command', async () => {
    const { command, ...without } = await createExperiment(request, catalogue);
    const { command: longer, ...chosen } = await createExperiment({ ...request, choose: ['folio-mmapped.closure=backstop'] }, catalogue);
    expect(chosen).toEqual(without);
    expect(longer).toBe(`${command} --choose folio-mmapped.closure=backstop`);
    expect(planCells({ ...chosen, command }).map(({ key }) => key)).toEqual(planCells({ ...without, command }).map(({ key }) => key));
  });

  test('runs its cells with them: a kernel that does not unmap visits no VMA', async () => {
    const walksOf = async (choose: readonly string[]) => {
      const experiment = await createExperiment({ ...request, policies: ['sigbus-on-fault'], choose }, catalogue);
      const [{ cell }] = planCells(experiment);
      const result = await runCell({ cell, costs: { from: experiment.costs.name, hash: experiment.costs.hash } }, catalogue);
      return result.status === 'ok' ? (result.deterministic.rmap as { readonly vmasVisited: number }).vmasVisited : result.error;
    };
    expect(await walksOf([])).toBeGreaterThan(50);
    expect(await walksOf(['sigbus-on-fault.kernelUnmaps=false'])).toBe(0);
  });
});

describe('an exploration with choices', () => {
  const task = { cell: 0, reductions: ALL_REDUCTIONS, memoryBytes: 1 << 30 };

  test('has no expectation of them, and says what they are', async () => {
    const files = await readLitmusFiles(['mmap-race'], packageFolder());
    const plan = (choose: readonly string[]) => planExploration({ files, policies: ['folio-mmapped'], checks: ['refcount'], choose });
    const [usual, chosen] = [...plan([]), ...plan(['folio-mmapped.errno=EBUSY'])].map(({ file: { path, text }, ...cell }) => exploreCell({ ...task, ...cell, path, text }, () => {}));
    expect(usual).toMatchObject({ status: 'ok', verdict: { verdict: 'proved', asExpected: true } });
    expect(chosen).toMatchObject({ status: 'ok', verdict: { verdict: 'proved', expected: null, asExpected: null, choices: { errno: 'EBUSY' } } });
    expect(usual.status === 'ok' && 'choices' in usual.verdict).toBe(false);
  });

  test('refuses those of a policy that no file is explored under', async () => {
    const files = await readLitmusFiles(['mmap-race'], packageFolder());
    expect(() => planExploration({ files, policies: ['sigbus-on-fault'], choose: ['folio-mmapped.errno=EBUSY'] })).toThrow('does not take part');
  });
});
