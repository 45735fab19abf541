/** The operations of the litmus library that a kernel can be asked are committed (results/runnable.json): a list that shrinks is a loss. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { notRunnable, runnableOperations } from '../src/calibrate/runnable.ts';
import { readLibrary } from '../src/harness/litmusFiles.ts';
import { packageFolder } from '../src/harness/packageFolder.ts';

test('as many operations of each litmus file can be asked as ever', async () => {
  const committed = JSON.parse(readFileSync(path.join(packageFolder(), 'results', 'runnable.json'), 'utf8')) as Record<string, number>;
  const library = (await readLibrary(packageFolder())).map(({ litmus }) => litmus);
  const found = runnableOperations(library);
  expect(Object.entries(committed).filter(([name, operations]) => !((found[name] ?? 0) >= operations))).toEqual([]);
  expect(Object.keys(committed).length).toBeGreaterThan(20);
  const conversions = library.filter(({ family }) => family.name === 'conversion');
  expect(notRunnable(library).length + Object.keys(found).length).toBe(conversions.length);
});
