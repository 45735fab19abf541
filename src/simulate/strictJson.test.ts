import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JsonError, parseStrictJson } from './strictJson.ts';

/** Where and why a text is refused, as "line:column reason". */
function refusal(text: string): string {
  try {
    parseStrictJson(text);
  } catch (error) {
    if (error instanceof JsonError) return `${error.line}:${error.column} ${error.message}`;
    throw error;
  }
  return 'accepted';
}

function accepts(parse: (text: string) => unknown, text: string): boolean {
  try {
    parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('strict JSON', () => {
  test('reads whatever JSON.stringify writes, with or without indentation, as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom(0, 1, '\t'), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(parseStrictJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });
  test('accepts and refuses the same short texts as JSON.parse, the ones with a key twice apart', () => {
    const pieces = ['{', '}', '[', ']', ':', ',', '"a"', '"b"', '"\\u00e9"', '"\\x"', '"\n"', '"', '1', '-0.5e3', '01', '1.', 'true', 'nul', ' ', '\n', '\u00a0'];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 8 }), (chosen) => {
        const text = chosen.join('');
        fc.pre(!refusal(text).endsWith('is there twice'));
        expect(accepts(parseStrictJson, text)).toBe(accepts(JSON.parse, text));
      }),
      { numRuns: 5000 },
    );
  });
  test('keeps a key called __proto__ a key', () => {
    expect(Object.keys(parseStrictJson('{ "__proto__": 1 }') as object)).toEqual(['__proto__']);
  });
  test.each([
    ['', '1:1 expected a value, found the end of the file'],
    ['{\n  "a": 1,\n  "b" 2\n}', '3:7 expected ":", found 2'],
    ['{\n  "a": 1,\n}', '3:1 expected a key in quotes, found }'],
    ['{ "a": 1\n  "b": 2 }', '2:3 expected "}", found "b"'],
    ['[1, 2', '1:6 expected "]", found the end of the file'],
    ['[1] 2', '1:5 expected the end of the file, found 2'],
    ['{ "a": nan }', '1:8 unexpected "n"'],
    ['{ "a":\n  "b }', '2:3 the string has no end'],
    ['["\\x"]', '1:2 the string has a bad escape or a raw control character'],
    ['{ "a": 1, "b": 2, "a": 3 }', '1:19 the key "a" is there twice'],
    ['{ "a": 1, "\\u0061": 2 }', '1:11 the key "\\u0061" is there twice'],
    ['['.repeat(102), '1:102 nested deeper than 100 levels'],
  ])('refuses %j', (text, where) => {
    expect(refusal(text)).toBe(where);
  });
});
