import { describe, expect, test } from 'vitest';
import { withScope } from './scope.ts';

describe('a scope', () => {
  test('gives back what was deferred, the last first, and answers what the work answered', async () => {
    const released: string[] = [];
    const answer = await withScope((scope) => {
      scope.defer(() => void released.push('file'));
      scope.defer(async () => void released.push('mapping'));
      return 7;
    });
    expect([answer, released]).toEqual([7, ['mapping', 'file']]);
  });

  test('does so too where the work fails in the middle', async () => {
    const released: string[] = [];
    const work = withScope((scope) => {
      scope.defer(() => void released.push('file'));
      throw new Error('no memory');
    });
    await expect(work).rejects.toThrow('no memory');
    expect(released).toEqual(['file']);
  });

  test('goes on behind something that cannot be given back, and tells of it', async () => {
    const released: string[] = [];
    const work = withScope((scope) => {
      scope.defer(() => void released.push('file'));
      scope.defer(() => {
        throw new Error('stuck');
      });
    });
    await expect(work).rejects.toThrow('stuck');
    expect(released).toEqual(['file']);
  });
});
