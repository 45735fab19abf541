/**
 * Litmus files: those of the package's library by name, and the user's own by path. Every name in them is looked up before
 * anything is explored, so that a mistake is told at once, with its line.
 */
import { readdirSync, realpathSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { families, familyOfOwnPolicies } from '../explore/families/index.ts';
import { explorableOf, type ExploredFamily } from '../explore/family.ts';
import type { AnyLitmus } from '../explore/litmus.ts';
import { readLitmus, type Mention } from '../explore/parseLitmus.ts';
import { nearestNames, UserError } from '../model/userError.ts';
import { policies } from '../policies/index.ts';
import { CHECKS, type ConversionPolicy } from '../policies/policy.ts';
import { wrongPolicies } from '../policies/wrong/index.ts';
import { messageOf } from './record.ts';

export interface LitmusFile {
  /** For messages: as the user gave it, or from the package's folder on. */
  readonly path: string;
  /** What a command line takes for it: the name of a library file, else the path. */
  readonly word: string;
  readonly text: string;
  readonly litmus: AnyLitmus;
  readonly isOfLibrary: boolean;
}

interface Place {
  readonly file: string;
  readonly path: string;
  readonly word: string;
  readonly isOfLibrary: boolean;
}

const ENDING = '.litmus.yaml';

/** Everything of the conversion family that can be explored: what ships, in its order, then what is wrong on purpose. */
export const explorablePolicies: readonly ConversionPolicy[] = [...policies, ...wrongPolicies];

/** All files of the library, by name. @throws UserError */
export function readLibrary(packageFolder: string): Promise<readonly LitmusFile[]> {
  return readAll(libraryPlaces(packageFolder), []);
}

/**
 * Files out of a user's words: names of the library, files, and folders for all litmus files in them; each once.
 * @param ownNames policies of the user's own, which the files may mention @throws UserError
 */
export async function readLitmusFiles(words: readonly string[], packageFolder: string, ownNames: readonly string[] = []): Promise<readonly LitmusFile[]> {
  const library = libraryPlaces(packageFolder);
  const places = words.flatMap((word) => placesOf(word, library));
  const once = new Map(places.map((place) => [realpathSync(place.file), place]));
  return readAll([...once.values()], ownNames);
}

function libraryPlaces(packageFolder: string): readonly Place[] {
  const folder = path.join(packageFolder, 'litmus');
  return litmusPathsIn(folder)
    .map((relative) => ({ file: path.join(folder, relative), path: `litmus/${relative}`, word: nameOf(relative), isOfLibrary: true }))
    .sort((a, b) => compareText(a.word, b.word));
}

/** Paths from the folder on, with slashes, sorted. None where there is no such folder. */
function litmusPathsIn(folder: string): readonly string[] {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((relative) => relative.replaceAll('\\', '/'))
    .filter((relative) => relative.endsWith(ENDING))
    .sort(compareText);
}

const compareText = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
const nameOf = (file: string): string => path.posix.basename(file, ENDING);

function placesOf(word: string, library: readonly Place[]): readonly Place[] {
  const named = library.find((place) => place.word === word);
  if (named !== undefined) return [named];
  const found = statSync(word, { throwIfNoEntry: false });
  if (found === undefined) throw missing(word, library);
  if (!found.isDirectory()) return [placeOf(word, library)];
  const within = litmusPathsIn(word);
  if (within.length > 0) return within.map((relative) => placeOf(path.join(word, relative), library));
  throw new UserError({ what: `there are no litmus files in ${word}`, why: `their names end in ${ENDING}`, fix: 'name another folder, or the file itself' });
}

/** A file of the library keeps its name, however it was reached. */
function placeOf(file: string, library: readonly Place[]): Place {
  const real = realpathSync(file);
  const same = library.find((place) => realpathSync(place.file) === real);
  return { file, path: file, word: same?.word ?? file, isOfLibrary: same !== undefined };
}

function missing(word: string, library: readonly Place[]): UserError {
  const near = nearestNames(word, library.map((place) => place.word));
  const isPath = /[/\\]|\.ya?ml$/.test(word);
  return new UserError({
    what: isPath ? `cannot read ${word}` : `unknown litmus "${word}"`,
    why: isPath ? 'there is no such file' : near.length > 0 ? `the nearest known are ${near.join(', ')}` : 'neither the library has that name nor is there such a file',
    fix: 'pick one of `foliobench list litmus`, or name a file or a folder',
  });
}

async function readAll(places: readonly Place[], ownNames: readonly string[]): Promise<readonly LitmusFile[]> {
  const files = await Promise.all(places.map((place) => readPlace(place, ownNames)));
  for (const [index, { litmus, path: second }] of files.entries()) {
    const first = files.slice(0, index).find((other) => other.litmus.name === litmus.name);
    if (first === undefined) continue;
    throw new UserError({ what: `${first.path} and ${second} are both named ${litmus.name}`, why: 'verdicts are told by name', fix: 'rename one of them, or explore them apart' });
  }
  return files;
}

async function readPlace({ file, path: shown, ...rest }: Place, ownNames: readonly string[]): Promise<LitmusFile> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new UserError({ what: `cannot read ${shown}`, why: messageOf(error), fix: 'name a litmus file that you may read' });
  });
  return { ...rest, path: shown, text, litmus: readKnown(text, shown, ownNames) };
}

/** A litmus in which every name is known. @throws UserError with file and line */
export function readKnown(text: string, shown: string, ownNames: readonly string[] = []): AnyLitmus {
  if (text.trim() === '') throw new UserError({ what: `${shown}:1: the file is empty`, why: 'a litmus has a name, a question, threads and expectations', fix: 'see litmus/README.md for the language' });
  const { litmus, mentions } = readLitmus(text, shown);
  const { family } = litmus;
  for (const mention of mentions) refuseUnknown(mention, shown, family, family === familyOfOwnPolicies ? ownNames : []);
  return litmus;
}

function refuseUnknown({ policy, check, sentence, line }: Mention, shown: string, family: ExploredFamily, ownNames: readonly string[]): void {
  const names = explorableOf(family).map(({ name }) => name);
  const other = families.find((one) => one !== family && explorableOf(one).some(({ name }) => name === policy));
  if (other !== undefined && policy !== undefined && !names.includes(policy)) {
    throw new UserError({ what: `${shown}:${line}: ${policy} is a policy of the family ${other.name}`, why: `the file is of the family ${family.name}`, fix: `name a policy of that family, or set \`family: ${other.name}\`` });
  }
  refuse('policy', policy, [...names, ...ownNames], 'pick one of `foliobench list policies`, or bring your own: --policy FILE.mjs');
  refuse('check', check, CHECKS, 'pick one of them');
  refuse('sentence', sentence, family.sentences.map(({ name }) => name), 'pick one of the sentences in litmus/README.md, or leave `always` out for all of them');

  function refuse(kind: string, wanted: string | undefined, known: readonly string[], fix: string): void {
    if (wanted === undefined || known.includes(wanted)) return;
    const near = nearestNames(wanted, known);
    throw new UserError({ what: `${shown}:${line}: unknown ${kind} "${wanted}"`, why: near.length > 0 ? `the nearest known are ${near.join(', ')}` : `known are ${known.join(', ')}`, fix });
  }
}
