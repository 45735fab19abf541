/** The last part of `npm run build`: writes `dist/sources.json`, the hashes of what verdicts follow from. Runs as dist/src/harness/writeSources.js. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { families } from '../explore/families/index.ts';
import { explorableOf } from '../explore/family.ts';
import { planExploration } from './exploration.ts';
import { readLitmusFiles } from './litmusFiles.ts';
import { packageFolder } from './packageFolder.ts';
import { hashSources, sourcesPath, type PolicySource } from './sources.ts';

const root = packageFolder();

function filesIn(folder: string, ending: string): readonly string[] {
  if (statSync(path.join(root, folder), { throwIfNoEntry: false }) === undefined) return [];
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => `${folder}/${file.replaceAll('\\', '/')}`)
    .filter((file) => file.endsWith(ending))
    .sort();
}

const textOf = (file: string): string => readFileSync(path.join(root, file), 'utf8');

/** The file that exports each policy, by the policy's name: what the compiled modules say. */
async function policyFilesOf(files: readonly string[]): Promise<ReadonlyMap<string, PolicySource>> {
  const familyOf = new Map<unknown, string>(families.flatMap((family) => explorableOf(family).map((policy) => [policy, family.name] as const)));
  const found = new Map<string, PolicySource>();
  for (const file of files) {
    const compiled = pathToFileURL(path.join(root, 'dist', file.replace(/\.ts$/, '.js'))).href;
    // Some files have one policy, and some a list of them.
    for (const value of Object.values((await import(compiled)) as Readonly<Record<string, unknown>>).flat()) {
      const family = familyOf.get(value);
      if (family === undefined) continue;
      const { name } = value as { readonly name: string };
      found.set(name, found.get(name) ?? { file, family });
    }
  }
  return found;
}

/** The policies that a litmus file is explored under; undefined where it cannot be read: then it counts for each of them. */
async function policiesUnder(file: string): Promise<ReadonlySet<string> | undefined> {
  try {
    return new Set(planExploration({ files: await readLitmusFiles([path.join(root, file)], root) }).map(({ policy }) => policy));
  } catch {
    return undefined;
  }
}

const sources = filesIn('src', '.ts').filter((file) => !file.endsWith('.test.ts'));
const litmusFiles = filesIn('litmus', '.litmus.yaml');
const nameOf = (file: string): string => path.posix.basename(file, '.litmus.yaml');
const exploredUnder = new Map<string, ReadonlySet<string> | undefined>();
for (const file of litmusFiles) exploredUnder.set(nameOf(file), await policiesUnder(file));

const hashed = hashSources({
  sources: new Map(sources.map((file) => [file, textOf(file)])),
  litmus: new Map(litmusFiles.map((file) => [nameOf(file), textOf(file)])),
  policyFiles: await policyFilesOf(sources.filter((file) => /^src\/policies\/.+\/(?!index\.ts$)/.test(file))),
  isExploredUnder: (policy, litmus) => exploredUnder.get(litmus)?.has(policy) ?? true,
});
writeFileSync(sourcesPath(root), `${JSON.stringify(hashed, null, 2)}\n`);
