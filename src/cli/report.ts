/** `foliobench report`: a record that was written before, in another form. */
import type { Command } from 'commander';
import { refuseUnlessFile, writeWhole } from '../harness/output.ts';
import { formatRecord, readRecord, type ResultsRecord } from '../harness/record.ts';
import { findCounterexamples } from '../harness/counterexamples.ts';
import { readLibrary } from '../harness/litmusFiles.ts';
import { readSafety, readVerdicts, verdictsPath } from '../harness/verdicts.ts';
import { formatCsv } from '../report/csv.ts';
import { formatHtml } from '../report/html/page.ts';
import { formatLkp } from '../report/lkp.ts';
import { formatMarkdown } from '../report/markdown.ts';
import { formatTables, type TableOptions } from '../report/table.ts';
import type { CliContext } from './context.ts';
import { profileOf } from './merge.ts';
import { parseChoice, parsePositive } from './parse.ts';

const FORMATS = ['table', 'md', 'csv', 'json', 'html', 'lkp'] as const;

interface ReportFlags {
  readonly format: (typeof FORMATS)[number];
  readonly by: 'label' | 'workload';
  readonly width?: number;
  readonly output?: string;
}

export function addReportCommand(program: Command, context: CliContext): void {
  program
    .command('report')
    .description('show a record that compare or merge wrote')
    .argument('<results.json>')
    .option('--format <format>', FORMATS.join(', '), parseChoice(FORMATS), 'table')
    .option('--by <what>', 'a table for each label or for each workload', parseChoice(['label', 'workload']), 'label')
    .option('--width <columns>', 'of md: characters that a line of a table may have, such as 72 for a mail', parsePositive)
    .option('-o, --output <file>', 'write it there, and not to stdout')
    .action(async (path: string, flags: ReportFlags) => {
      const { output } = flags;
      if (output !== undefined) await refuseUnlessFile(output);
      const text = await formatAs(await readRecord(path), flags, context);
      if (output === undefined) context.stdout.write(text);
      else await writeWhole(output, text);
    });
}

async function formatAs(record: ResultsRecord, { format, by, width }: ReportFlags, { catalogue, packageFolder, version }: CliContext): Promise<string> {
  // Verdicts are of this program's policies; those of another version may be others.
  const options = async (): Promise<TableOptions> => ({ by, ...profileOf(record, catalogue), ...(record.tool.version === version ? { safety: await readSafety(packageFolder) } : {}) });
  switch (format) {
    case 'json':
      return formatRecord(record);
    case 'csv':
      return formatCsv(record);
    case 'table':
      return formatTables(record, await options());
    case 'md':
      return formatMarkdown(record, { ...(await options()), ...(width === undefined ? {} : { width }) });
    case 'lkp':
      return formatLkp(record);
    case 'html':
      return formatHtml(record, { ...(await options()), ...(record.tool.version === version ? await explored(record, packageFolder) : {}) });
  }
  format satisfies never;
  return '';
}

/** What exploration has of the record's rows. Verdicts that cannot be read have nothing to say; `explore` tells what is wrong with them. */
async function explored({ experiment }: ResultsRecord, packageFolder: string) {
  const verdicts = await readVerdicts(verdictsPath(packageFolder)).then((found) => found?.verdicts, () => undefined);
  if (verdicts === undefined) return {};
  return { verdicts, counterexamples: findCounterexamples(experiment, verdicts, await readLibrary(packageFolder)) };
}
