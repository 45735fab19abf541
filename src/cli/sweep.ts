/** `foliobench sweep`: one parameter or two over a range, and where the order of the policies changes. */
import type { Command } from 'commander';
import { DEFAULT_FAMILY, familyNamed } from '../harness/families/index.ts';
import { formatRecord } from '../harness/record.ts';
import { VARIED, createSweep, parseVary } from '../harness/sweep.ts';
import { formatSweep, metricNamed } from '../report/sweepTable.ts';
import { addRunOptions, runAndShow, type RunFlags } from './compare.ts';
import type { CliContext } from './context.ts';
import { collect, parseChoice } from './parse.ts';

interface SweepFlags extends RunFlags {
  readonly vary?: readonly string[];
  readonly metric?: string;
  readonly format: 'table' | 'json';
}

export function addSweepCommand(program: Command, context: CliContext): void {
  addRunOptions(program.command('sweep').description('vary one parameter or two: curves, their growth, and where policies change places'))
    .option('--vary <name=values>', `${Object.keys(VARIED).join(', ')}: as in vmas=1,4,16,64; twice for two parameters`, collect)
    .option('--metric <path>', `the figure of the curves: a path in the record (default: ${familyNamed(DEFAULT_FAMILY).sweepMetric}; each family has its own)`, String)
    .option('--format <format>', 'what stdout shows: table or json', parseChoice(['table', 'json']), 'table')
    .addHelpText('after', '\nExit codes: as compare.')
    .action((flags: SweepFlags) => {
      const axes = parseVary(flags.vary ?? []);
      const metric = metricNamed(flags.family ?? DEFAULT_FAMILY, flags.metric);
      return runAndShow(flags, context, (request) => createSweep(request, axes, context.catalogue), (record) => (flags.format === 'json' ? formatRecord(record) : formatSweep(record, axes, metric)));
    });
}
