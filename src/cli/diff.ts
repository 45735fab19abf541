/** `foliobench diff`: what changed between two records, of `compare` or of the bench. */
import type { Command } from 'commander';
import { isBenchRecord, parseBenchRecord } from '../gate/benchRecord.ts';
import { compareBench, formatBenchComparison } from '../gate/compareBench.ts';
import { compareRecords } from '../gate/compareRecords.ts';
import { formatComparison } from '../gate/format.ts';
import { readTolerances } from '../gate/tolerances.ts';
import { checkRecord, readContent } from '../harness/record.ts';
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
    .description('what changed between two records of compare, or two of npm run bench, figure by figure')
    .argument('<old.json>')
    .argument('<new.json>')
    .option('--config <file>', 'tolerances by metric; without it figures are exact')
    .option('--format <format>', 'text or json', parseChoice(['text', 'json']), 'text')
    .option('--cells <count>', 'cells that are told in full (default: 20)', parsePositive)
    .addHelpText('after', '\nExit codes: 0 compared, whatever was found (`gate` judges), 2 misuse.')
    .action(async (oldPath: string, newPath: string, { config, format, cells }: DiffFlags) => {
      const [before, after] = [await readContent(oldPath), await readContent(newPath)];
      if (isBenchRecord(before) || isBenchRecord(after)) {
        const comparison = compareBench(parseBenchRecord(before, oldPath), parseBenchRecord(after, newPath));
        stdout.write(format === 'json' ? `${JSON.stringify(comparison, null, 2)}\n` : formatBenchComparison(comparison));
        return;
      }
      const tolerances = config === undefined ? undefined : await readTolerances(config);
      const comparison = compareRecords(checkRecord(before, oldPath), checkRecord(after, newPath), tolerances);
      const options = { baseline: oldPath, current: newPath, ...(cells === undefined ? {} : { cellsMax: cells }) };
      stdout.write(format === 'json' ? `${JSON.stringify(comparison, null, 2)}\n` : formatComparison(comparison, options));
    });
}
