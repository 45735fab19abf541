/** A litmus of a few lines: its world, what comes before, its threads, and whatever else a test needs. */
import { parseLitmus } from '../../src/explore/parseLitmus.ts';
import type { Litmus } from '../../src/explore/litmus.ts';

export interface SmallLitmus {
  /** Default: one page. */
  readonly world?: string;
  readonly before?: readonly string[];
  /** By name; process 1 where the name says "other". */
  readonly threads: Readonly<Record<string, readonly string[]>>;
  /** Whole lines. */
  readonly more?: readonly string[];
  readonly expect?: string;
}

export function smallLitmus({ world = '{ pages: 1 }', before = [], threads, more = [], expect = 'proved' }: SmallLitmus): Litmus {
  const text = [
    'name: small',
    'question: What comes of it?',
    'source: a test',
    `world: ${world}`,
    ...(before.length === 0 ? [] : ['before:', ...before.map((line) => `  - ${line}`)]),
    'threads:',
    ...Object.entries(threads).flatMap(([name, operations]) => [
      `  ${name}:`,
      ...(name.startsWith('other') ? ['    process: 1'] : []),
      '    do:',
      ...operations.map((operation) => `      - ${operation}`),
    ]),
    ...more,
    'expect:',
    `  '*': ${expect}`,
    '',
  ].join('\n');
  return parseLitmus(text, 'small.litmus.yaml');
}
