/** `foliobench list`: what there is. */
import type { Command } from 'commander';
import { OPERATIONS } from '../model/operations.ts';
import { formatList, type ListEntry } from '../report/list.ts';
import { familiesOf, type FamilyCatalogue, type PolicyFacts } from '../harness/catalogue.ts';
import { familyNamed, type FamilyFacts } from '../harness/families/index.ts';
import { readLibrary } from '../harness/litmusFiles.ts';
import { factsOf, isPolicyPath, readPolicyFiles, type PolicyFile } from '../harness/policyFiles.ts';
import { formatSize } from '../harness/sizes.ts';
import { UserError } from '../model/userError.ts';
import type { CliContext } from './context.ts';
import { parseChoice, parseList } from './parse.ts';

const SUBJECTS = ['families', 'policies', 'workloads', 'operations', 'costs', 'litmus'] as const;
type Subject = (typeof SUBJECTS)[number];

export function addListCommand(program: Command, context: CliContext): void {
  program
    .command('list')
    .description(`what there is: ${SUBJECTS.join(', ')}`)
    .argument('<what>', SUBJECTS.join(' | '), parseChoice(SUBJECTS))
    .option('--policy <paths>', 'of policies: those of modules of your own too', parseList)
    .option('--family <name>', 'of policies and workloads: those of one family alone', String)
    .action(async (subject: Subject, { policy: words, family }: { readonly policy?: readonly string[]; readonly family?: string }) => {
      if (words !== undefined) refuseUnlessPaths(subject, words);
      context.stdout.write(formatList(await entriesOf(subject, family === undefined ? undefined : familyNamed(family).name, await readPolicyFiles(words), context)));
    });
}

function refuseUnlessPaths(subject: Subject, words: readonly string[]): void {
  const name = words.find((word) => !isPolicyPath(word));
  if (subject === 'policies' && name === undefined) return;
  throw new UserError({
    what: subject === 'policies' ? `--policy ${name} is no path` : `--policy does not go with ${subject}`,
    why: 'it adds the policies of a module of your own to those that ship',
    fix: subject === 'policies' ? 'write the path of the module, such as ./my.policy.mjs' : 'leave it away, or list policies',
  });
}

async function entriesOf(subject: Subject, family: string | undefined, policyFiles: readonly PolicyFile[], { catalogue, packageFolder }: CliContext): Promise<readonly ListEntry[]> {
  const shown = familiesOf(catalogue).filter((one) => family === undefined || one.family === family);
  // Names of the first family stand alone: it is what a command is about that names none.
  const textIn = (one: FamilyCatalogue, text: string): string => (one.family === catalogue.family || family !== undefined ? text : `${one.family}: ${text}`);
  switch (subject) {
    case 'families':
      return familiesOf(catalogue).map((one) => ({ name: one.family, text: familyText(familyNamed(one.family)) }));
    case 'policies': {
      const own = family === undefined || familyNamed(family).takesModules ? factsOf(policyFiles) : [];
      return [...shown.flatMap((one) => one.policies.map((policy) => ({ name: policy.name, text: textIn(one, policyText(policy)) }))), ...own.map((policy) => ({ name: policy.name, text: policyText(policy) }))];
    }
    case 'workloads': {
      const entries = await Promise.all(
        shown.map(async (one) => [...one.workloads, ...(await Promise.all(one.traceNames().map(one.openTrace)))].map(({ name, summary }) => ({ name, text: textIn(one, summary) }))),
      );
      return entries.flat();
    }
    case 'operations':
      return OPERATIONS.map(({ name, kind, phase, summary }) => ({ name, text: `${summary} (${kind === 'event' ? 'counted, free' : `phase ${phase}`})` }));
    case 'costs':
      return catalogue.costProfiles().map(({ name, hash, machine, kernel, date }) => ({ name, text: `${machine}; ${kernel}; ${date}; hash ${hash}` }));
    case 'litmus':
      return (await readLibrary(packageFolder)).map(({ litmus: { name, question } }) => ({ name, text: question }));
  }
  subject satisfies never;
}

function policyText({ summary, checks, choices = [] }: PolicyFacts): string {
  const details = [...(checks.length === 0 ? [] : [`checks: ${checks.join(', ')}`]), ...choices.map((choice) => `${choice.name}: ${choice.values.join(' or ')}`)];
  return details.length === 0 ? summary : `${summary} (${details.join('; ')})`;
}

/** What it is about, and what its cells are by default. */
function familyText({ summary, params, defaults }: FamilyFacts): string {
  const values = params.flatMap((name) => (defaults[name] === undefined ? [] : [`${name === 'memoryBytes' ? 'memory' : name} ${name === 'memoryBytes' ? formatSize(Number(defaults[name])) : String(defaults[name])}`]));
  return `${summary} (by default ${values.join(', ')})`;
}
