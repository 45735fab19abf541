/** `foliobench list`: what there is. */
import type { Command } from 'commander';
import { OPERATIONS } from '../model/operations.ts';
import { formatList, type ListEntry } from '../report/list.ts';
import { readLibrary } from '../harness/litmusFiles.ts';
import type { CliContext } from './context.ts';
import { parseChoice } from './parse.ts';

const SUBJECTS = ['policies', 'workloads', 'operations', 'costs', 'litmus'] as const;
type Subject = (typeof SUBJECTS)[number];

export function addListCommand(program: Command, context: CliContext): void {
  program
    .command('list')
    .description(`what there is: ${SUBJECTS.join(', ')}`)
    .argument('<what>', SUBJECTS.join(' | '), parseChoice(SUBJECTS))
    .action(async (subject: Subject) => {
      context.stdout.write(formatList(await entriesOf(subject, context)));
    });
}

async function entriesOf(subject: Subject, { catalogue, packageFolder }: CliContext): Promise<readonly ListEntry[]> {
  const { policies, workloads, traceNames, openTrace, costProfiles } = catalogue;
  switch (subject) {
    case 'policies':
      return policies.map(({ name, summary, checks }) => ({ name, text: checks.length === 0 ? summary : `${summary} (checks: ${checks.join(', ')})` }));
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
