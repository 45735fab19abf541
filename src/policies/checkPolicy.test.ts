import { describe, expect, test } from 'vitest';
import { Flow, callRoutine, end, goTo, step, waitsUpTo } from '../model/step.ts';
import type { Step } from '../model/step.ts';
import { UserError } from '../model/userError.ts';
import { checkPolicies, nameComplaint } from './checkPolicy.ts';
import { policies } from './index.ts';

const next = step('next', () => Flow.Next);
const RULES = { toPrivate: [next, end], toShared: [end] };
const own = (changes: object = {}) => ({ name: 'own', summary: 'of a test', family: 'conversion', checks: ['refcount'], rules: () => RULES, ...changes });
const withRules = (changes: object) => own({ rules: () => ({ ...RULES, ...changes }) });
const withSteps = (...steps: readonly unknown[]) => withRules({ toPrivate: [...steps, end] });

/** The first two lines of what is told. */
function told(exported: unknown): string {
  try {
    checkPolicies({ default: exported }, 'own.mjs');
    return 'well';
  } catch (error) {
    if (!(error instanceof UserError) || error.fix === '') throw error;
    return `${error.what} / ${error.why}`;
  }
}

describe('a policy', () => {
  test('every shipped one would pass, but for its name', () => {
    const renamed = policies.map(({ reference: _reference, ...policy }) => ({ ...policy, name: `own-${policy.name}` }));
    expect(checkPolicies({ default: renamed }, 'own.mjs').map(({ name }) => name)).toEqual(renamed.map(({ name }) => name));
  });

  test('is told which functions are called, once a check and once a value of a choice', () => {
    const calls: string[] = [];
    const choices = [{ name: 'errno', values: ['EPERM', 'EBUSY'], default: 'EPERM', what: 'what a refusal answers' }];
    checkPolicies({ default: own({ checks: ['mapcount', 'refcount'], choices }) }, 'own.mjs', (what) => calls.push(what));
    checkPolicies({ default: own({ checks: [] }) }, 'own.mjs', (what) => calls.push(what));
    expect(calls).toEqual([
      'rules() of own under the check mapcount', 'rules() of own under the check mapcount with errno=EPERM', 'rules() of own under the check mapcount with errno=EBUSY',
      'rules() of own under the check refcount', 'rules() of own under the check refcount with errno=EPERM', 'rules() of own under the check refcount with errno=EBUSY',
      'rules() of own',
    ]);
  });

  test.each([
    [undefined, 'own.mjs has no default export / it exports nothing'],
    [[], 'own.mjs exports an empty list / there is no policy in it'],
    [4, 'own.mjs: its default export is no policy / it is a number, and a policy is an object with a name, a summary, a family, checks and rules'],
    [[own(), null], 'own.mjs: policy 2 of its default export is no policy / it is null, and a policy is an object with a name, a summary, a family, checks and rules'],
    [[own(), own()], 'own.mjs has two policies named own / rows and verdicts are told by name'],
    [{}, 'own.mjs: its default export has no name / name is a text'],
    [own({ name: 7 }), 'own.mjs: its default export has a wrong name / name is a text, and not 7'],
    [own({ name: 'My Policy' }), 'own.mjs: a policy may not be named "My Policy" / a name is lower-case words of letters and digits, joined by hyphens, such as my-policy'],
    [own({ summary: undefined, sumary: 'x' }), 'own.mjs: own has no summary / it has "sumary"; summary is one line that says its rule'],
    [own({ summary: 'a\nb' }), 'own.mjs: own has a wrong summary / summary is one line that says its rule, and not "a\\nb"'],
    [own({ family: 'tiering' }), `own.mjs: own has a wrong family / family is 'conversion', and not "tiering"`],
    [own({ checks: 'refcount' }), 'own.mjs: own has a wrong checks / checks is a list of mapcount, mapped-or-pinned, refcount, empty for a policy without a reference check, and not "refcount"'],
    [own({ checks: ['pins'] }), 'own.mjs: own has an unknown check "pins" / there are mapcount, mapped-or-pinned, refcount'],
    [own({ checks: ['refcount', 'refcount'] }), 'own.mjs: own has a check twice / each is a row of its own'],
    [own({ rules: RULES }), 'own.mjs: own has a wrong rules / rules is a function from { check } to the steps of both sides, and not an object'],
    [own({ rules: async () => RULES }), 'own.mjs: own has an async rules function / rules are asked for and used at once'],
    [own({ reference: 'null' }), 'own.mjs: own calls itself a measure (reference) / null and lower-bound are what others are measured by'],
    [own({ ownerRefs: -1 }), 'own.mjs: own has a wrong ownerRefs / ownerRefs is a whole number of references from 0 to 16, and not -1'],
    [own({ vmmStrategy: 'hope' }), 'own.mjs: own has a wrong vmmStrategy / vmmStrategy is one of retry-at-once, back-off, release-pins-first, bounce-copy, give-up, and not "hope"'],
    [own({ coreOrder: 0 }), 'own.mjs: own has a wrong coreOrder / coreOrder is a function from the order of the run to that of core-mm, and not 0'],
    [own({ coreOrder: () => 4 }), 'own.mjs: own has a wrong coreOrder / for order 0 it answers 4'],
    [own({ choices: 'errno' }), 'own.mjs: own has wrong choices / they are a list of { name, values, default, what }'],
    [own({ choices: [{ name: 'errno' }] }), 'own.mjs: own has a choice that is none / a name, what it is, and a list of values are texts; one has name'],
    [own({ choices: [{ name: 'errno', values: ['EPERM'], default: 'EBUSY', what: 'x' }] }), 'own.mjs: own has a choice "errno" without its default / "EBUSY" is none of EPERM'],
    [own({ argument: { idea: 'x' } }), 'own.mjs: own has a wrong argument / it is { idea, for: [{ who, says }], against: [...], price, sources: [...] }, all of it texts'],
    [own({ argument: { idea: 'x', for: [{ who: 'me', says: 'yes' }], against: [], price: 'none', sources: [] } }), 'well'],
    [own({ Sumary: 'x', notes: 'y' }), 'own.mjs: own has an unknown member "Sumary" / nobody reads it; there is summary'],
    [own({ notes: 'y' }), 'well'],
  ])('%#: %s', (exported, expected) => expect(told(exported)).toBe(expected));
});

describe('rules', () => {
  const named = (name: string): Step => step(name, () => Flow.Next);
  test.each([
    [own({ rules: () => null }), 'own.mjs: own: rules() gives null under the check refcount / rules are an object with toPrivate and toShared'],
    [own({ checks: [], rules: () => undefined }), 'own.mjs: own: rules() gives nothing / rules are an object with toPrivate and toShared'],
    [withRules({ toShared: undefined }), 'own.mjs: own: rules() has no toShared / it is a list of steps'],
    [withRules({ toShared: 3 }), 'own.mjs: own: rules() has a wrong toShared / it is a list of steps, and not a number'],
    [withRules({ toShared: [] }), 'own.mjs: own: toShared has no steps / a routine does something, or at least ends'],
    [withRules({ mmaphook: [end] }), 'own.mjs: own: rules() has an unknown member "mmaphook" / nobody reads it; there is mmapHook'],
    [withRules({ mmapHook: [named('mine'), goTo('vma.insert')] }), 'well'],
    [withRules({ mmapHook: [goTo('nowhere')] }), 'own.mjs: own: its steps make no program under the check refcount / routine "mmapRange", step "to nowhere": no step "nowhere"'],
    [withRules({ gup: true }), 'own.mjs: own: gup of rules() is wrong / it is a boolean'],
    [withRules({ gup: { allowed: true } }), 'own.mjs: own: gup of rules() is wrong / it is an object without both of its members'],
    [withRules({ vmm: [] }), 'own.mjs: own: vmm of rules() is a list / it is an object with what a well-behaved VMM does'],
    [withRules({ vmm: { bounce: true } }), 'own.mjs: own: vmm has an unknown member "bounce" / nobody reads it; there is bounces'],
    [withRules({ vmm: { strategy: 'hope' } }), 'own.mjs: own: vmm.strategy is "hope" / there are retry-at-once, back-off, release-pins-first, bounce-copy, give-up'],
    [withRules({ vmm: { afterRequest: [end] } }), 'own.mjs: own: vmm.afterRequest is a list / it is a routine: an object with steps'],
    [withRules({ vmm: { afterRequest: { steps: [4] } } }), 'own.mjs: own: item 1 of vmm.afterRequest is no step / it is a number'],
    [withRules({ vmm: { beforeToPrivate: { steps: [callRoutine('munmap', 'munmapRange'), end] } } }), 'well'],
    [withSteps([next]), 'own.mjs: own: item 1 of toPrivate is a list / blocks such as unmapEverywhereSteps() are lists of steps'],
    [withSteps(() => Flow.Next), 'own.mjs: own: item 1 of toPrivate is a function / a step is a name and what it does, and blocks have to be called'],
    [withSteps({ run: next.run }), 'own.mjs: own: item 1 of toPrivate has no name / traces and messages tell a step by its name'],
    [withSteps({ name: 'mine' }), 'own.mjs: own: step "mine" of toPrivate does nothing / its run is missing, and not a function (world, task) => Flow'],
    [withSteps({ name: 'mine', run: async () => Flow.Next }), 'own.mjs: own: step "mine" of toPrivate is async / a step is over when it returns, and answers a Flow and not a promise'],
    [withSteps({ ...next, otherwise: 4 }), 'own.mjs: own: step "next" of toPrivate has a wrong label / it is a number, and a label is the name of a step'],
    [withSteps({ ...next, callee: 4 }), 'own.mjs: own: step "next" of toPrivate calls a number / a routine is called by its name'],
    [withSteps({ ...next, mark: 'free' }), 'own.mjs: own: step "next" of toPrivate has a wrong mark / it is "free"'],
    [withSteps(next, next), 'own.mjs: own: toPrivate has two steps named "next" / labels and traces tell steps by their names'],
    [withSteps(goTo('next'), goTo('next'), next), 'well'],
    [withSteps(named('state.store'), step('mine', () => Flow.Next, 'state.stor')), 'own.mjs: own: step "mine" of toPrivate goes on at "state.stor", which does not exist / the nearest of the routine\'s steps are state.store'],
    [withSteps(waitsUpTo('mine', () => Flow.Next, 10, 'later')), 'own.mjs: own: step "mine" of toPrivate goes on at "later", which does not exist / the routine has mine, end'],
  ])('%#: %s', (exported, expected) => expect(told(exported)).toBe(expected));

  test('that call what does not exist are told what there is', () => {
    expect(told(withSteps(callRoutine('mine', 'nowhere')))).toMatch(/^own\.mjs: own: its steps make no program under the check refcount \/ no routine "nowhere"; there are .*munmapRange/);
  });

  test('that throw are told with the place', () => {
    expect(told(own({ rules: () => { throw new TypeError('no'); } }))).toMatch(/^own\.mjs: own: rules\(\) throws under the check refcount \/ TypeError: no/);
  });
});

test.each([
  ['my-policy', undefined],
  ['p2', undefined],
  ['2p', 'a name is lower-case words of letters and digits, joined by hyphens, such as my-policy'],
  ['my--policy', 'a name is lower-case words of letters and digits, joined by hyphens, such as my-policy'],
  ['a'.repeat(41), 'a name has at most 40 characters, so that it fits a table'],
  ['all', '`--policy all` means every policy'],
  ['null', 'foliobench ships a policy of that name'],
  ['no-notifier', 'foliobench ships a policy of that name'],
])('the name %s', (name, complaint) => expect(nameComplaint(name)).toBe(complaint));
