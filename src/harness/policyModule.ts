/**
 * The module of a policy of the user's own, imported: its check, its hash, and `foliobench/policy` for it wherever it lies.
 *
 * `foliobench/policy` is always the program that runs, whichever copy is installed beside the module: steps of two copies do not mix.
 */
import { readFileSync, statSync } from 'node:fs';
import * as nodeModule from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { nearestNames, UserError } from '../model/userError.ts';
import { checkPolicies } from '../policies/checkPolicy.ts';
import { errorText } from '../policies/guard.ts';
import type { ConversionPolicy } from '../policies/policy.ts';
import { distUrl } from './distFile.ts';
import { messageOf } from './record.ts';
import { hashText, importsOf } from './sources.ts';

/** What stands for the package in an import. */
export const POLICY_IMPORTS: readonly string[] = ['foliobench/policy', 'foliobench'];

export interface PolicyModule {
  readonly policies: readonly ConversionPolicy[];
  readonly hash: string;
}

/** Imports the module and checks it. Runs its code: see policyCheck.ts. @param onCall told before code of the module runs @throws UserError */
export async function importPolicies(file: string, onCall: (what: string) => void = () => {}): Promise<PolicyModule> {
  refuseUnlessModule(file);
  const hash = hashModule(file);
  resolvePackage();
  onCall('the module');
  let module: Readonly<Record<string, unknown>>;
  try {
    module = (await import(pathToFileURL(path.resolve(file)).href)) as Readonly<Record<string, unknown>>;
  } catch (error) {
    throw isUnreadable(error) ? error : importError(file, error);
  }
  return { policies: checkPolicies(module, file, onCall), hash };
}

/** @throws UserError where there is no such file, or this Node cannot read its language */
export function refuseUnlessModule(file: string): void {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) throw new UserError({ what: `cannot read ${file}`, why: 'there is no such file', fix: 'name the module of a policy; `foliobench new policy NAME` writes one' });
  if (!found.isFile()) throw new UserError({ what: `cannot read ${file}`, why: 'it is no file', fix: 'name the module of a policy' });
  const ending = path.extname(file);
  if (ending === '.mjs' || ending === '.js') return;
  if (ending !== '.ts' && ending !== '.mts') throw new UserError({ what: `${file} is no module that can be loaded`, why: `its name ends in "${ending}"`, fix: 'a policy is an ES module: name it .mjs, .js or .ts' });
  const { typescript } = process.features as { readonly typescript?: string | false };
  if (typescript !== undefined && typescript !== false) return;
  const compiled = file.replace(/ts$/, 'js');
  throw new UserError({
    what: `${file} is TypeScript, which this Node does not read`,
    why: `Node ${process.version} does not strip types; 22.18, 23.6 and later do`,
    fix: `compile it: npx tsc ${file} --module nodenext --target es2023 --skipLibCheck, then --policy ${compiled}; or run a newer Node`,
  });
}

/** Over the module and everything that it imports by relative paths: what its steps follow from, as far as it is the user's. */
export function hashModule(file: string): string {
  const first = path.resolve(file);
  const found = new Map<string, string>();
  const queue = [first];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    if (found.has(next)) continue;
    let text: string;
    try {
      text = readFileSync(next, 'utf8');
    } catch (error) {
      // What an import does not find, the import itself will tell.
      if (next !== first) continue;
      throw new UserError({ what: `cannot read ${file}`, why: messageOf(error), fix: 'make it readable' });
    }
    found.set(next, text);
    for (const specifier of importsOf(text)) queue.push(path.resolve(path.dirname(next), specifier));
  }
  const lines = [...found].map(([name, text]) => `${path.relative(path.dirname(first), name).replaceAll('\\', '/')} ${hashText(text)}`);
  return hashText(lines.sort().join('\n'));
}

let resolves = false;

/** From now on this thread finds the package for every module, also for one that lies where nothing is installed. */
function resolvePackage(): void {
  if (resolves) return;
  resolves = true;
  const url = distUrl('policies/api.js').href;
  // Node 22.15 and 23.5 have the synchronous hooks; `register` is deprecated where they are.
  const { registerHooks } = nodeModule as unknown as { readonly registerHooks?: (hooks: { readonly resolve: Resolve }) => void };
  if (registerHooks !== undefined) {
    registerHooks({ resolve: (specifier, context, next) => (POLICY_IMPORTS.includes(specifier) ? { url, shortCircuit: true } : next(specifier, context)) });
    return;
  }
  const source = `const names = ${JSON.stringify(POLICY_IMPORTS)};
export const resolve = (specifier, context, next) => names.includes(specifier) ? { url: ${JSON.stringify(url)}, shortCircuit: true } : next(specifier, context);`;
  nodeModule.register(`data:text/javascript,${encodeURIComponent(source)}`);
}

type Resolve = (specifier: string, context: unknown, next: (specifier: string, context: unknown) => unknown) => unknown;

const MISSING_EXPORT = /module '([^']+)' does not provide an export named '([^']+)'/;
/** The text is no JavaScript: nothing of it ran, so that no frame is outside of Node. */
const isUnreadable = (error: unknown): boolean => error instanceof SyntaxError && !MISSING_EXPORT.test(error.message) && !/^ +at .*file:\/\//m.test(ownFrames(error));
const ownFrames = ({ stack = '' }: Error): string => stack.split('\n').filter((line) => !line.includes('/harness/policy')).join('\n');

function importError(file: string, error: unknown): UserError {
  const message = messageOf(error);
  const [, from, name] = MISSING_EXPORT.exec(message) ?? [];
  if (name !== undefined) {
    const isOurs = POLICY_IMPORTS.includes(from);
    return new UserError({
      what: `${placeIn(error, file)} imports ${name} from '${from}'`,
      why: `there is no ${name} in it${isOurs ? nearText(name) : ''}`,
      fix: isOurs ? 'import what src/policies/api.ts exports; CONTRIBUTING.md has an example' : 'correct the import',
    });
  }
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'ERR_PACKAGE_PATH_NOT_EXPORTED' || code === 'ERR_UNSUPPORTED_DIR_IMPORT') {
    const [first] = message.split(/ imported from | in resolving /);
    return new UserError({ what: `${file} imports what is not there`, why: first, fix: "write relative paths with their ending; the package's blocks come from 'foliobench/policy'" });
  }
  return new UserError({ what: `${file} throws while it is loaded`, why: errorText(error), fix: 'correct it: at its top level a module only says what its policy is' });
}

let exported: readonly string[] | undefined;

/** For suggestions; what the package exports to policies. */
export async function learnExports(): Promise<void> {
  exported ??= Object.keys((await import(distUrl('policies/api.js').href)) as object);
}

function nearText(name: string): string {
  const near = nearestNames(name, exported ?? []);
  return near.length === 0 ? '' : `; the nearest are ${near.join(', ')}`;
}

/** `my.policy.mjs:3` where the error says it, as the first line of its stack does for an import. */
function placeIn(error: unknown, file: string): string {
  const found = /^(?:file:\/\/)?(.+):(\d+)$/m.exec(error instanceof Error ? (error.stack ?? '') : '');
  return found === null ? file : `${path.basename(found[1]) === path.basename(file) ? file : decodeURI(found[1])}:${found[2]}`;
}
