import { execFileSync } from 'node:child_process';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { quoted, wordsOf } from './shell.ts';

describe('a command', () => {
  test('is the words that it was put together of, whatever stands in them', () => {
    fc.assert(fc.property(fc.array(fc.string({ minLength: 1, unit: fc.constantFrom('a', ' ', "'", '\\', '"', '*', '\n', '-') })), (words) => {
      expect(wordsOf(words.map(quoted).join(' '))).toEqual(words);
    }));
  });

  test('has the words that a shell finds in it', () => {
    const words = ["it's", 'a b', String.raw`back\slash`, '*', '--policy', './my own.mjs'];
    const command = words.map(quoted).join(' ');
    expect(execFileSync('sh', ['-c', `printf '%s\\n' ${command}`], { encoding: 'utf8' })).toBe(`${words.join('\n')}\n`);
    expect(wordsOf(command)).toEqual(words);
  });
});
