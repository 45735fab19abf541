/**
 * Hashes of the sources that verdicts follow from, made when the program is built (`dist/sources.json`): the package has no
 * TypeScript in it, and a compiler of another version may write other JavaScript for the same text.
 *
 * A policy's verdicts follow from the explorer, its family's file, the policy's own, everything that these import, the model
 * among it, and the litmus files that it is explored under; what another family is made of is nothing to them. A changed comment
 * changes the hash too: who reads text only cannot know better.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';

export const SOURCES_SCHEMA = 'foliobench/sources@1';

export interface Sources {
  readonly schema: typeof SOURCES_SCHEMA;
  /** By the policy's name. */
  readonly policies: Readonly<Record<string, string>>;
  /** By the litmus' name: the text of its file. */
  readonly litmus: Readonly<Record<string, string>>;
}

export interface SourceTexts {
  /** By path from the package's folder on, with slashes. Tests left out. */
  readonly sources: ReadonlyMap<string, string>;
  /** Text of each litmus file, by the name of its litmus. */
  readonly litmus: ReadonlyMap<string, string>;
  /** The file that each policy is in, and its family, by the policy's name. */
  readonly policyFiles: ReadonlyMap<string, PolicySource>;
  /** Whether a policy is explored under a litmus of the library. */
  readonly isExploredUnder: (policy: string, litmus: string) => boolean;
}

export interface PolicySource {
  readonly file: string;
  readonly family: string;
}

/** What reads litmus files and what explores them, whatever their family. */
const EXPLORER = ['src/explore/readLitmus.ts', 'src/explore/checkLitmus.ts'];
/** What a family is made of but for its policies. */
export const familyFile = (family: string): string => `src/explore/families/${family}.ts`;

/** The same texts give the same hashes, on every machine and whatever the ends of their lines. */
export function hashSources({ sources, litmus, policyFiles, isExploredUnder }: SourceTexts): Sources {
  const litmusHashes = new Map([...litmus].map(([name, text]) => [name, hashText(text)]));
  const hashOfPolicy = (name: string, { file, family }: PolicySource): string => {
    const files = [...withImports([...EXPLORER, familyFile(family), file], sources)].map((one) => `${one} ${hashText(sources.get(one) ?? '')}`);
    const explored = [...litmusHashes].filter(([one]) => isExploredUnder(name, one)).map(([one, hash]) => `litmus ${one} ${hash}`);
    return hashText([...files, ...explored].sort().join('\n'));
  };
  return {
    schema: SOURCES_SCHEMA,
    policies: sorted([...policyFiles].map(([name, file]) => [name, hashOfPolicy(name, file)] as const)),
    litmus: sorted([...litmusHashes]),
  };
}

/** The first 16 hex digits of SHA-256, as everywhere; ends of lines as on Unix. */
export function hashText(text: string): string {
  return createHash('sha256').update(text.replaceAll('\r\n', '\n')).digest('hex').slice(0, 16);
}

const sorted = (entries: readonly (readonly [string, string])[]): Readonly<Record<string, string>> =>
  Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : Number(a > b))));

/** Files with everything that they import, directly or not, as far as it is among the sources. Types are gone before anything runs. */
export function withImports(files: readonly string[], sources: ReadonlyMap<string, string>): ReadonlySet<string> {
  const found = new Set(files);
  for (const file of found) {
    for (const specifier of importsOf((sources.get(file) ?? '').replaceAll(OF_TYPES, ''))) {
      const target = path.posix.join(path.posix.dirname(file), specifier);
      if (sources.has(target)) found.add(target);
    }
  }
  return found;
}

const OF_TYPES = /^(?:import|export) type [^;]*;/gm;

/** What a text imports by relative paths. */
export const importsOf = (text: string): readonly string[] =>
  [...text.matchAll(/\bfrom\s*['"](\.[^'"]+)['"]|\bimport\s*\(?\s*['"](\.[^'"]+)['"]/g)].map(([, from, bare]) => from ?? bare);

/** Where a build writes it. */
export const sourcesPath = (packageFolder: string): string => path.join(packageFolder, 'dist', 'sources.json');

/** @returns undefined where the program was built without it */
export function readSources(packageFolder: string): Sources | undefined {
  try {
    const sources = JSON.parse(readFileSync(sourcesPath(packageFolder), 'utf8')) as Partial<Sources>;
    return sources.schema === SOURCES_SCHEMA && sources.policies !== undefined && sources.litmus !== undefined ? (sources as Sources) : undefined;
  } catch {
    return undefined;
  }
}
