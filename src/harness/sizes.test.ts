import { describe, expect, test } from 'vitest';
import { formatSize, parsePercent, parseSize } from './sizes.ts';

describe('sizes', () => {
  test.each([
    ['4096', 4096],
    ['4K', 4096],
    ['6kib', 6144],
    ['512M', 536_870_912],
    ['1GiB', 1_073_741_824],
    ['1gb', 1_073_741_824],
    ['1TiB', 1_099_511_627_776],
  ])('%s are %i bytes', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  test.each(['', '0', '0G', '-1G', '1.5G', '1P', 'G', '1 G B'])('"%s" is none', (text) => {
    expect(() => parseSize(text)).toThrow(`"${text}" is no size`);
  });

  test('beyond 2^53 bytes is told apart from nonsense', () => {
    expect(() => parseSize('10000T')).toThrow('beyond 2^53');
  });

  test.each([
    [1_073_741_824, '1GiB'],
    [536_870_912, '512MiB'],
    [6144, '6KiB'],
    [100, '100B'],
  ])('%i bytes print as %s and read back', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
    expect(parseSize(text)).toBe(bytes);
  });
});

describe('shares in per cent', () => {
  test.each([['2', 2], ['0.5', 0.5], ['88', 88]])('%s is %d', (text, percent) => expect(parsePercent(text)).toBe(percent));
  test.each(['', '0', '0.0', '-1', '2%', '1e1', '.5', 'x'])('"%s" is none', (text) => expect(() => parsePercent(text)).toThrow(`"${text}" is no share`));
});
