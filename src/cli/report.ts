/** `foliobench report`: a record that was written before, in another form. */
import type { Command } from 'commander';
import { refuseUnlessFile, writeWhole } from '../harness/output.ts';
import { formatRecord, readRecord, type ResultsRecord } from '../harness/record.ts';
import { readSafety } from '../harness/verdicts.ts';
import { formatCsv } from '../report/csv.ts';
import { formatTables } from '../report/table.ts';
import type { CliContext } from './context.ts';
import { profileOf } from './merge.ts';
import { parseChoice } from './parse.ts';

const FORMATS = ['table', 'csv', 'json'] as const;

interface ReportFlags {
  readonly format: (typeof FORMATS)[number];
  readonly by: 'label' | 'workload';
  readonly output?: string;
}

export function addReportCommand(program: Command, context: CliContext): void {
  program
    .command('report')
    .description('show a record that compare or merge wrote')
    .argument('<results.json>')
    .option('--format <format>', FORMATS.join(', '), parseChoice(FORMATS), 'table')
    .option('--by <what>', 'a table for each label or for each workload', parseChoice(['label', 'workload']), 'label')
    .option('-o, --output <file>', 'write it there, and not to stdout')
    .action(async (path: string, { format, by, output }: ReportFlags) => {
      if (output !== undefined) await refuseUnlessFile(output);
      const text = await formatAs(await readRecord(path), format, by, context);
      if (output === undefined) context.stdout.write(text);
      else await writeWhole(output, text);
    });
}

async function formatAs(record: ResultsRecord, format: ReportFlags['format'], by: ReportFlags['by'], { catalogue, packageFolder, version }: CliContext): Promise<string> {
  switch (format) {
    case 'json':
      return formatRecord(record);
    case 'csv':
      return formatCsv(record);
    case 'table':
      // Verdicts are of this program's policies; those of another version may be others.
      return formatTables(record, { by, ...profileOf(record, catalogue), ...(record.tool.version === version ? { safety: await readSafety(packageFolder) } : {}) });
  }
  format satisfies never;
  return '';
}
