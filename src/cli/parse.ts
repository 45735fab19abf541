/** From the words of a command line to values. Each throws a UserError that names what it would have taken. */
import { UserError } from '../model/userError.ts';
import type { Shard } from '../harness/record.ts';

/** `a,b , c`; empty names are dropped. @throws UserError where nothing is left */
export function parseList(text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim()).filter((name) => name !== '');
  if (names.length > 0) return names;
  throw new UserError({ what: `"${text}" names nothing`, why: 'a list has at least one name', fix: 'write it as a,b or leave the option away' });
}

export function parseCount(text: string): number {
  const count = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(count)) return count;
  throw new UserError({ what: `"${text}" is no whole number`, why: 'a count has digits only', fix: 'write it as in 100000' });
}

export function parsePositive(text: string): number {
  const count = parseCount(text);
  if (count > 0) return count;
  throw new UserError({ what: `"${text}" is too few`, why: 'there has to be one at least', fix: 'write 1 or more' });
}

/** `7`, `1,2,9` or `1-5`. */
export function parseSeeds(text: string): readonly number[] {
  return parseList(text).flatMap((part) => {
    const range = /^(\d+)-(\d+)$/.exec(part);
    if (range === null) return [parseCount(part)];
    const [first, last] = [parseCount(range[1]), parseCount(range[2])];
    if (first <= last && last - first < SEEDS_MAX) return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    throw new UserError({ what: `"${part}" is no range of seeds`, why: `it has to rise, by at most ${SEEDS_MAX} seeds`, fix: 'write it as in 1-5' });
  });
}
const SEEDS_MAX = 10_000;

/** `2/3`: part 2 of 3. */
export function parseShard(text: string): Shard {
  const match = /^(\d{1,6})\/(\d{1,6})$/.exec(text);
  const [index, count] = match === null ? [0, 0] : [Number(match[1]), Number(match[2])];
  if (index >= 1 && index <= count) return { index, count };
  throw new UserError({ what: `"${text}" is no shard`, why: 'a shard is i/n, part i (from 1) of n', fix: 'write it as in 1/3, 2/3 and 3/3' });
}

/** For an option that may come several times: all of its words. */
export const collect = (word: string, before: readonly string[] = []): readonly string[] => [...before, word];

/** A parser for one of a few words. */
export function parseChoice<T extends string>(choices: readonly T[]): (text: string) => T {
  return (text) => {
    const choice = choices.find((candidate) => candidate.toLowerCase() === text.toLowerCase());
    if (choice !== undefined) return choice;
    throw new UserError({ what: `"${text}" is none of ${choices.join(', ')}`, why: 'the option takes one of these words', fix: 'pick one of them' });
  };
}
