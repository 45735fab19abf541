/**
 * Policies of the user's own, by the paths of their modules: `--policy ./my.policy.mjs`.
 *
 * A module is the user's program, and may throw, exit or never come back. So it is loaded and checked in a process of its own
 * first; what is known of its policies here is plain data. Workers import it by its path.
 */
import { fork } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { UserError } from '../model/userError.ts';
import type { ConversionPolicy } from '../policies/policy.ts';
import { guardPolicy } from '../policies/guard.ts';
import type { PolicyFacts } from './catalogue.ts';
import { harnessFile } from './distFile.ts';
import { hashModule, importPolicies, refuseUnlessModule } from './policyModule.ts';
import type { CellError } from './record.ts';
import { createWatcher } from './watch.ts';

/** A module that was named on the command line. */
export interface PolicyFile {
  /** As it was named: `./my.policy.mjs`, or `./my.policy.mjs#one-of-them`. */
  readonly word: string;
  readonly path: string;
  /** Over its source, with what it imports by relative paths. */
  readonly hash: string;
  readonly policies: readonly PolicyFacts[];
}

/** What a worker needs to import a policy again. */
export interface PolicyOrigin {
  readonly path: string;
  readonly hash: string;
  /** What one step may take before its cell is ended. */
  readonly stepSeconds: number;
  /** Shared with whoever watches this cell. */
  readonly pulse?: SharedArrayBuffer;
}

export const STEP_SECONDS = 10;

/** Whether a word of `--policy` is a path and no name. */
export const isPolicyPath = (word: string): boolean => /[/\\]|\.[cm]?[jt]s(#|$)/.test(word);

/** Loads and checks the modules among the words of `--policy`. @throws UserError for the first that is no policy */
export async function readPolicyFiles(words: readonly string[] = [], stepSeconds: number = STEP_SECONDS): Promise<readonly PolicyFile[]> {
  const files: PolicyFile[] = [];
  for (const word of new Set(words.filter(isPolicyPath))) {
    const file = await readPolicyFile(word, stepSeconds);
    // However a module is reached, it is one.
    const same = files.find(({ path }) => realpathSync(path) === realpathSync(file.path));
    files.push(same === undefined ? file : { ...file, path: same.path });
  }
  const origins = new Map<string, string>();
  for (const { path, policies } of files) {
    for (const { name } of policies) {
      const other = origins.get(name) ?? path;
      if (other !== path) throw new UserError({ what: `${other} and ${path} both have a policy named ${name}`, why: 'rows and verdicts are told by name', fix: 'rename one of them' });
      origins.set(name, path);
    }
  }
  return files;
}

async function readPolicyFile(word: string, stepSeconds: number): Promise<PolicyFile> {
  const mark = existsSync(word) ? -1 : word.lastIndexOf('#');
  const path = mark < 0 ? word : word.slice(0, mark);
  const wanted = mark < 0 ? undefined : word.slice(mark + 1);
  const { hash, policies } = await checkApart(path, stepSeconds);
  const picked = wanted === undefined ? policies : policies.filter(({ name }) => name === wanted);
  if (picked.length > 0) return { word, path, hash, policies: picked };
  throw new UserError({ what: `${path} has no policy "${wanted}"`, why: `it has ${policies.map(({ name }) => name).join(', ')}`, fix: `pick one of them, or write ${path} for all` });
}

/** Facts of all policies in these files, each once. */
export const factsOf = (files: readonly PolicyFile[]): readonly PolicyFacts[] => [...new Map(files.flatMap(({ policies }) => policies.map((facts) => [facts.name, facts] as const))).values()];

/** Words of `--policy` in which every path is replaced by the names of its policies. */
export const namesOfWords = (words: readonly string[], files: readonly PolicyFile[]): readonly string[] =>
  words.flatMap((word) => files.find((file) => file.word === word)?.policies.map(({ name }) => name) ?? [word]);

/** What a command line takes for a policy: its name, or the module that it is in. */
export function wordOf(policy: string, files: readonly PolicyFile[]): string {
  const file = files.find(({ policies }) => policies.some(({ name }) => name === policy));
  if (file === undefined) return policy;
  return file.policies.length === 1 ? file.word : `${file.path}#${policy}`;
}

export const originOf = (policy: string, files: readonly Pick<PolicyFile, 'path' | 'hash' | 'policies'>[], stepSeconds: number = STEP_SECONDS): PolicyOrigin | undefined => {
  const file = files.find(({ policies }) => policies.some(({ name }) => name === policy));
  return file === undefined ? undefined : { path: file.path, hash: file.hash, stepSeconds };
};

/** In a worker: the policy of that name, guarded. @throws UserError where the module is another one by now */
export async function loadOwnPolicy({ path, hash, pulse }: PolicyOrigin, name: string, { bounded }: { readonly bounded: boolean }): Promise<ConversionPolicy> {
  const now = hashModule(path);
  if (now !== hash) {
    throw new UserError({ what: `${path} changed while it ran`, why: `the hash of its source is ${now}, and was ${hash} at the start`, fix: 'leave the file alone until the run has ended, and start again' });
  }
  const policy = (await importPolicies(path)).policies.find((one) => one.name === name);
  if (policy === undefined) throw new UserError({ what: `${path} has lost its policy ${name}`, why: 'it exports another one each time that it is loaded', fix: 'let it say always the same' });
  return guardPolicy(policy, { path, bounded, ...(pulse === undefined ? {} : { watcher: createWatcher(pulse) }) });
}

/* ---- the check in a process of its own ---- */

/** What the process of policyCheck.ts tells: what it is about to run, then what came of it. */
export type CheckMessage =
  | { readonly kind: 'runs'; readonly what: string }
  | { readonly kind: 'checked'; readonly hash: string; readonly policies: readonly PolicyFacts[] }
  | { readonly kind: 'refused'; readonly error: CellError }
  | { readonly kind: 'syntax'; readonly message: string };

type Checked = Extract<CheckMessage, { readonly kind: 'checked' }>;

function checkApart(path: string, seconds: number): Promise<Checked> {
  refuseUnlessModule(path);
  return new Promise((resolve, reject) => {
    const child = fork(harnessFile('policyCheck'), [path], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], execArgv: [] });
    let last: CheckMessage = { kind: 'runs', what: 'the module' };
    let stderr = '';
    let isLate = false;
    const killAfter = (ms: number) =>
      setTimeout(() => {
        isLate = true;
        child.kill('SIGKILL');
      }, ms);
    let timer = killAfter(START_MS);
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('message', (message) => {
      last = message as CheckMessage;
      clearTimeout(timer);
      timer = killAfter(seconds * 1000);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (last.kind === 'checked') resolve(last);
      else if (last.kind === 'refused') reject(new UserError(last.error));
      else if (last.kind === 'syntax') reject(syntaxError(path, last.message, stderr));
      else if (isLate || code === NEVER_SETTLES) reject(new UserError({ what: `${path}: ${last.what} does not come to an end`, why: isLate ? `it was still running after ${seconds} s` : 'it awaits what never comes', fix: 'look for a loop without an end, or an `await` of what never comes' }));
      else reject(new UserError({ what: `${path}: ${last.what} ended the process`, why: signal === null ? `with exit code ${code}` : `by ${signal}`, fix: 'a policy only says what its steps are: leave out process.exit and the like' }));
    });
  });
}

/** Node's exit code where a module awaits, and nothing is left that could end that. */
const NEVER_SETTLES = 13;
/** A process takes its time to start, more so on a busy machine; the clock of the module starts with it. */
const START_MS = 60_000;

/** Node says where only as it dies of it. */
function syntaxError(path: string, message: string, stderr: string): UserError {
  const places = [...stderr.matchAll(/^(?:file:\/\/)?(\S.*):(\d+)$/gm)].filter(([, file]) => !/[\\/]policyCheck\.js$/.test(file));
  const [, file, line] = places.at(-1) ?? [];
  const isImported = file !== undefined && decodeURI(file).split(/[\\/]/).pop() !== path.split(/[\\/]/).pop();
  return new UserError({ what: `${isImported ? decodeURI(file) : path}${line === undefined ? '' : `:${line}`}: no JavaScript that can be read`, why: message, fix: 'correct that line, or one just before it' });
}
