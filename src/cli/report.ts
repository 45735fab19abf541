/** `foliobench report`: a record that was written before, in another form. */
import type { Command } from 'commander';
import { refuseUnlessFile, writeWhole } from '../harness/output.ts';
import { formatRecord, readRecord, type ResultsRecord } from '../harness/record.ts';
import { readSafety } from '../harness/verdicts.ts';
import { formatCsv } from '../report/csv.ts';
import { formatMarkdown } from '../report/markdown.ts';
import { formatTables, type TableOptions } from '../report/table.ts';
import type { CliContext } from './context.ts';
import { profileOf } from './merge.ts';
import { parseChoice, parsePositive } from './parse.ts';

const FORMATS = ['table', 'md', 'csv', 'json'] as const;

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
  }
  format satisfies never;
  return '';
}
