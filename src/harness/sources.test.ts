import { describe, expect, test } from 'vitest';
import { hashSources, withImports, type SourceTexts } from './sources.ts';

const SOURCES: Readonly<Record<string, string>> = {
  'src/model/step.ts': 'export const step = 1;',
  'src/explore/readLitmus.ts': '',
  'src/explore/checkLitmus.ts': `import { search } from './search.ts';\nimport type { One } from './families/one.ts';`,
  'src/explore/search.ts': `import { step } from '../model/step.ts';\nimport { Access } from '../workloads/workload.ts';`,
  'src/explore/families/one.ts': `import { page } from '../../model/page.ts';`,
  'src/explore/families/two.ts': '',
  'src/model/page.ts': '',
  'src/workloads/workload.ts': 'export type Access = number;',
  'src/workloads/zipf.ts': 'export const zipf = 1;',
  'src/policies/a.ts': `import { help } from './help.ts';`,
  'src/policies/b.ts': `export { step } from '../model/step.ts';`,
  'src/policies/help.ts': `import {\n  deep,\n} from './deep.ts';`,
  'src/policies/deep.ts': '',
};
const LITMUS: Readonly<Record<string, string>> = { race: 'name: race\n', alone: 'name: alone\n' };

/** With some texts changed. */
const hashed = (sources: Readonly<Record<string, string>> = {}, litmus: Readonly<Record<string, string>> = {}) => {
  const texts: SourceTexts = {
    sources: new Map(Object.entries({ ...SOURCES, ...sources })),
    litmus: new Map(Object.entries({ ...LITMUS, ...litmus })),
    policyFiles: new Map([['a', { file: 'src/policies/a.ts', family: 'one' }], ['b', { file: 'src/policies/b.ts', family: 'two' }]]),
    isExploredUnder: (policy, name) => name === 'race' || policy === 'b',
  };
  return hashSources(texts);
};

/** The policies whose hash is another one. */
const staleAfter = (sources: Readonly<Record<string, string>>, litmus: Readonly<Record<string, string>> = {}) => {
  const [before, after] = [hashed(), hashed(sources, litmus)];
  return Object.keys(before.policies).filter((name) => before.policies[name] !== after.policies[name]);
};

describe('the hash of a policy', () => {
  test.each<[file: string, stale: readonly string[]]>([
    ['src/model/step.ts', ['a', 'b']],
    ['src/explore/search.ts', ['a', 'b']],
    ['src/workloads/workload.ts', ['a', 'b']], // the explorer imports it
    ['src/workloads/zipf.ts', []],
    // What one family is made of is nothing to another; the explorer knows it by its types alone.
    ['src/explore/families/one.ts', ['a']],
    ['src/model/page.ts', ['a']],
    ['src/explore/families/two.ts', ['b']],
    ['src/policies/a.ts', ['a']],
    ['src/policies/help.ts', ['a']],
    ['src/policies/deep.ts', ['a']],
    ['src/policies/b.ts', ['b']],
  ])('a change of %s makes these stale: %j', (file, stale) => expect(staleAfter({ [file]: `${SOURCES[file]} // changed` })).toEqual(stale));

  test('follows the litmus files that the policy is explored under', () => {
    expect(staleAfter({}, { race: 'name: race \n' })).toEqual(['a', 'b']);
    expect(staleAfter({}, { alone: 'name: alone \n' })).toEqual(['b']);
    expect(staleAfter({}, { another: '' })).toEqual(['b']);
  });

  test('is the same for other ends of lines and another order of files', () => {
    const turned = Object.fromEntries(Object.entries(SOURCES).reverse().map(([file, text]) => [file, text.replaceAll('\n', '\r\n')]));
    expect(hashed(turned)).toEqual(hashed());
    expect(Object.keys(hashed().litmus)).toEqual(['alone', 'race']);
  });
});

test('types are not followed: nothing is left of them when anything runs', () => {
  const sources = new Map([['src/x.ts', `import type { A } from './a.ts';\nimport type {\n  B,\n} from './b.ts';\nexport type { C } from './c.ts';\nimport { type D, d } from './d.ts';`], ['src/a.ts', ''], ['src/b.ts', ''], ['src/c.ts', ''], ['src/d.ts', '']]);
  expect([...withImports(['src/x.ts'], sources)]).toEqual(['src/x.ts', 'src/d.ts']);
});

test('imports are followed as far as the sources go, in a circle too', () => {
  const sources = new Map([['src/a/x.ts', `import '../b/y.ts';\nimport fs from 'node:fs';`], ['src/b/y.ts', `import { x } from '../a/x.ts';\nimport './missing.ts';\nawait import('./z.ts');`], ['src/b/z.ts', '']]);
  expect([...withImports(['src/a/x.ts'], sources)]).toEqual(['src/a/x.ts', 'src/b/y.ts', 'src/b/z.ts']);
});
