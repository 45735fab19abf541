/**
 * JSON for files that people edit: the place of a mistake as line and column, and no key twice.
 *
 * `JSON.parse` lets the last of two equal keys win in silence, so that a price added at the wrong end of a file would
 * look as if it had been taken; and what it says about a mistake, with or without a position, depends on the version of Node.
 */

/** A mistake in a JSON text. `line` and `column` count from 1, the column in UTF-16 units. */
export class JsonError extends Error {
  readonly line: number;
  readonly column: number;

  constructor(reason: string, text: string, offset: number) {
    super(reason);
    this.name = 'JsonError';
    const before = text.slice(0, offset).split('\n');
    this.line = before.length;
    this.column = before[before.length - 1].length + 1;
  }
}

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** White space, then one token: punctuation, a literal, a number, a string (its escapes are not checked here), or the end of the text. */
const TOKEN = /[ \t\n\r]*([{}[\]:,]|true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|"(?:[^"\\]|\\.)*"|$)/y;
/** Deeper nesting is a mistake or an attack; the reader calls itself once a level. */
const DEPTH_MAX = 100;

/** The value of a JSON text (RFC 8259). Throws a JsonError. */
export function parseStrictJson(text: string): JsonValue {
  let end = 0;
  let token = '';
  let start = 0;

  const fail = (reason: string): never => {
    throw new JsonError(reason, text, start);
  };
  const next = (): void => {
    TOKEN.lastIndex = end;
    const match = TOKEN.exec(text);
    if (match === null) {
      start = end;
      while (' \t\n\r'.includes(text.charAt(start))) start++;
      const character = text.charAt(start);
      fail(character === '"' ? 'the string has no end' : `unexpected ${JSON.stringify(character)}`);
    } else {
      [, token] = match;
      end = TOKEN.lastIndex;
      start = end - token.length;
    }
  };
  const shown = (): string => (token === '' ? 'the end of the file' : token);
  const skip = (wanted: string): boolean => {
    if (token !== wanted) return false;
    next();
    return true;
  };
  const expectToken = (wanted: string): void => {
    if (!skip(wanted)) fail(`expected "${wanted}", found ${shown()}`);
  };
  const scalar = (): JsonValue => {
    try {
      return JSON.parse(token) as JsonValue;
    } catch {
      return fail('the string has a bad escape or a raw control character');
    }
  };

  const value = (depth: number): JsonValue => {
    if (depth > DEPTH_MAX) return fail(`nested deeper than ${DEPTH_MAX} levels`);
    if (token === '' || ']}:,'.includes(token)) return fail(`expected a value, found ${shown()}`);
    if (skip('{')) return object(depth);
    if (skip('[')) return array(depth);
    const result = scalar();
    next();
    return result;
  };
  const array = (depth: number): JsonValue => {
    const items: JsonValue[] = [];
    if (skip(']')) return items;
    do items.push(value(depth + 1));
    while (skip(','));
    expectToken(']');
    return items;
  };
  const object = (depth: number): JsonValue => {
    const entries = new Map<string, JsonValue>();
    if (skip('}')) return {};
    do {
      if (!token.startsWith('"')) fail(`expected a key in quotes, found ${shown()}`);
      const key = String(scalar());
      if (entries.has(key)) fail(`the key ${token} is there twice`);
      next();
      expectToken(':');
      entries.set(key, value(depth + 1));
    } while (skip(','));
    expectToken('}');
    return Object.fromEntries(entries);
  };

  next();
  const whole = value(0);
  if (token !== '') fail(`expected the end of the file, found ${shown()}`);
  return whole;
}
