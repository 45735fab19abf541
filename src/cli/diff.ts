/** `foliobench diff`: what changed between two records. */
import type { Command } from 'commander';
import { compareRecords } from '../gate/compareRecords.ts';
import { formatComparison } from '../gate/format.ts';
import { readTolerances } from '../gate/tolerances.ts';
import { readRecord } from '../harness/record.ts';
import type { CliContext } from './context.ts';
import { parseChoice, parsePositive } from './parse.ts';

interface DiffFlags {
  readonly config?: string;
  readonly format: 'text' | 'json';
  readonly cells?: number;
}

export function addDiffCommand(program: Command, { stdout }: CliContext): void {
  program
    .command('diff')
    .description('what changed between two records, figure by figure')
    .argument('<old.json>')
    .argument('<new.json>')
    .option('--config <file>', 'tolerances by metric; without it figures are exact')
    .option('--format <format>', 'text or json', parseChoice(['text', 'json']), 'text')
    .option('--cells <count>', 'cells that are told in full (default: 20)', parsePositive)
    .addHelpText('after', '\nExit codes: 0 compared, whatever was found (`gate` judges), 2 misuse.')
    .action(async (oldPath: string, newPath: string, { config, format, cells }: DiffFlags) => {
      const tolerances = config === undefined ? undefined : await readTolerances(config);
      const comparison = compareRecords(await readRecord(oldPath), await readRecord(newPath), tolerances);
      const options = { baseline: oldPath, current: newPath, ...(cells === undefined ? {} : { cellsMax: cells }) };
      stdout.write(format === 'json' ? `${JSON.stringify(comparison, null, 2)}\n` : formatComparison(comparison, options));
    });
}
