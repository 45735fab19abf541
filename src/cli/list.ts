/** `foliobench list`: what there is. */
import type { Command } from 'commander';
import { OPERATIONS } from '../model/operations.ts';
import { formatList, type ListEntry } from '../report/list.ts';
import { readLibrary } from '../harness/litmusFiles.ts';
import { factsOf, isPolicyPath, readPolicyFiles, type PolicyFile } from '../harness/policyFiles.ts';
import { UserError } from '../model/userError.ts';
import type { CliContext } from './context.ts';
import { parseChoice, parseList } from './parse.ts';

const SUBJECTS = ['policies', 'workloads', 'operations', 'costs', 'litmus'] as const;
type Subject = (typeof SUBJECTS)[number];

export function addListCommand(program: Command, context: CliContext): void {
  program
    .command('list')
    .description(`what there is: ${SUBJECTS.join(', ')}`)
    .argument('<what>', SUBJECTS.join(' | '), parseChoice(SUBJECTS))
    .option('--policy <paths>', 'of policies: those of modules of your own too', parseList)
    .action(async (subject: Subject, { policy: words }: { readonly policy?: readonly string[] }) => {
      if (words !== undefined) refuseUnlessPaths(subject, words);
      context.stdout.write(formatList(await entriesOf(subject, await readPolicyFiles(words), context)));
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

async function entriesOf(subject: Subject, policyFiles: readonly PolicyFile[], { catalogue, packageFolder }: CliContext): Promise<readonly ListEntry[]> {
  const { policies, workloads, traceNames, openTrace, costProfiles } = catalogue;
  switch (subject) {
    case 'policies':
      return [...policies, ...factsOf(policyFiles)].map(({ name, summary, checks, choices = [] }) => {
        const details = [...(checks.length === 0 ? [] : [`checks: ${checks.join(', ')}`]), ...choices.map((choice) => `${choice.name}: ${choice.values.join(' or ')}`)];
        return { name, text: details.length === 0 ? summary : `${summary} (${details.join('; ')})` };
      });
    case 'workloads': {
      const traces = await Promise.all(traceNames().map(openTrace));
      return [...workloads, ...traces].map(({ name, summary }) => ({ name, text: summary }));
    }
    case 'operations':
      return OPERATIONS.map(({ name, kind, phase, summary }) => ({ name, text: `${summary} (${kind === 'event' ? 'counted, free' : `phase ${phase}`})` }));
    case 'costs':
      return costProfiles().map(({ name, hash, machine, kernel, date }) => ({ name, text: `${machine}; ${kernel}; ${date}; hash ${hash}` }));
    case 'litmus':
      return (await readLibrary(packageFolder)).map(({ litmus: { name, question } }) => ({ name, text: question }));
  }
  subject satisfies never;
}
