import { describe, expect, test } from 'vitest';
import { cellOf } from '../../../test/tools/cells.ts';
import { figureAt } from '../metrics.ts';
import { unsharing } from './unsharing.ts';

const SMALL = '--family unsharing --memory 4MiB --accesses 1000 --workload fork-server';
const figuresOf = async (policy: string, more = '') => {
  const { deterministic } = await cellOf(`${SMALL} --policy ${policy}${more}`);
  return (...path: readonly string[]): number => figureAt(deterministic, ...path) ?? Number.NaN;
};

describe('the facts of unsharing', () => {
  test('are one label, the size of folios and the processes as parameters, and a figure that a sweep draws', () => {
    expect([unsharing.params, Object.keys(unsharing.labels), unsharing.takesModules]).toEqual([['memoryBytes', 'folio', 'processes', 'accesses'], ['unsharing'], false]);
    expect(unsharing.metrics.map(({ path }) => path.join('.'))).toContain(unsharing.sweepMetric);
  });

  test('count copies by their cause, and their bytes: 4 KiB each, which add up', async () => {
    const figure = await figuresOf('unshare-and-pin');
    const causes = ['fork', 'writeFault', 'unshare'];
    expect(causes.map((cause) => figure('copiedBytes', cause))).toEqual(causes.map((cause) => 4096 * figure('copies', cause)));
    expect(figure('copiedBytes', 'all')).toBe(4096 * [...causes, 'collapse'].reduce((sum, cause) => sum + figure('copies', cause), 0));
    expect([figure('copies', 'unshare') > 0, figure('pins', 'stale'), figure('pins', 'failed')]).toEqual([true, 0, 0]);
  });

  test('tell who pays: pins that unshare copy each page that they pin, and with more processes there are more forks to a pin', async () => {
    const two = await figuresOf('unshare-and-pin');
    expect(two('copies', 'unshare')).toBe(two('pins', 'granted'));
    const [ignores, fails] = [await figuresOf('ignore-and-pin'), await figuresOf('fail-to-pin')];
    expect([ignores('pins', 'stale'), ignores('pins', 'notExclusive')]).toEqual([ignores('pins', 'granted'), ignores('pins', 'granted')]);
    expect([fails('pins', 'granted'), fails('pins', 'failed') * 16]).toEqual([0, two('pins', 'granted')]);
    const four = await figuresOf('unshare-and-pin', ' --processes 4');
    expect(four('latencyNs', 'fork', 'count') / four('latencyNs', 'pin', 'count')).toBe(3);
    expect(two('latencyNs', 'fork', 'count') / two('latencyNs', 'pin', 'count')).toBe(1);
  });
});
