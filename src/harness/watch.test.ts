import { describe, expect, test, vi } from 'vitest';
import { RULES } from '../policies/guard.ts';
import { createPulse, createWatcher, watch, watched, type Watchable } from './watch.ts';

const origin = { path: './own.mjs', hash: '0123456789abcdef', stepSeconds: 0.05 };

/** What a watch of 50 ms says of a step that is at `number` for ever. */
const stuckAt = (number: number, names: readonly string[] = ['first', 'second']): Promise<string> =>
  new Promise((resolve) => {
    const pulse = createPulse();
    const watcher = createWatcher(pulse);
    watcher.steps(names);
    watcher.at(number);
    watch(pulse, 0.05, resolve);
  });

describe('a watch', () => {
  test('names the step that does not come back', async () => {
    expect(await Promise.all([stuckAt(2), stuckAt(RULES), stuckAt(9), stuckAt(40_000, ['x'.repeat(40_000)])])).toEqual(['second', 'rules()', 'step 9', 'step 40000']);
  });

  test('says nothing while steps come and go, or none is under way', () => {
    vi.useFakeTimers();
    try {
      const pulse = createPulse();
      const watcher = createWatcher(pulse);
      const onStuck = vi.fn<(step: string) => void>();
      const looking = watch(pulse, 10, onStuck);
      for (let second = 0; second < 60; second++) {
        watcher.at(1);
        vi.advanceTimersByTime(1000);
      }
      watcher.at(0);
      vi.advanceTimersByTime(60_000);
      expect(onStuck).not.toHaveBeenCalled();
      watcher.at(1);
      vi.advanceTimersByTime(12_000);
      expect(onStuck).toHaveBeenCalledTimes(1);
      looking.stop();
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('a watched runner', () => {
  const run = watched<Watchable & { readonly how: 'well' | 'lost' | 'stuck' }, string>(
    {
      run: ({ how, origin: given }, signal) =>
        new Promise((resolve, reject) => {
          if (how === 'well') resolve(given?.pulse === undefined ? 'unwatched' : 'well');
          if (how === 'lost') reject(new Error('killed'));
          if (given?.pulse !== undefined) createWatcher(given.pulse).at(1);
          signal?.addEventListener('abort', () => reject(new Error('aborted')));
        }),
      close: async () => {},
    },
    (_task, { what, why }) => `${what}: ${why}`,
  );

  test('ends a task whose step does not come back, and leaves the others alone', async () => {
    expect(await run.run({ how: 'well' })).toBe('unwatched');
    expect(await run.run({ how: 'well', origin })).toBe('well');
    await expect(run.run({ how: 'lost', origin })).rejects.toThrow('killed');
    expect(await run.run({ how: 'stuck', origin })).toBe('step 1 (./own.mjs) does not come back: it was still running after 0.05 s, and a step takes microseconds');
    await run.close();
  });
});
