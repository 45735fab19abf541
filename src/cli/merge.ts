/** `foliobench merge`: the parts of `compare --shard i/n` as one record. */
import type { Command } from 'commander';
import type { Catalogue } from '../harness/catalogue.ts';
import type { CostProfile } from '../simulate/costs.ts';
import { mergeRecords, type Part } from '../harness/merge.ts';
import { refuseUnlessFile, writeWhole } from '../harness/output.ts';
import { formatRecord, readRecord, type ResultsRecord } from '../harness/record.ts';
import { readSafety } from '../harness/verdicts.ts';
import { formatTables } from '../report/table.ts';
import { exitCodeOf } from './compare.ts';
import type { CliContext } from './context.ts';
import { parseChoice } from './parse.ts';

interface MergeFlags {
  readonly format: 'table' | 'json';
  readonly by: 'label' | 'workload';
  readonly output?: string;
  readonly quiet?: boolean;
}

export function addMergeCommand(program: Command, { catalogue, packageFolder, stdout, version, setExitCode }: CliContext): void {
  program
    .command('merge')
    .description('put the parts of compare --shard i/n together, checked for completeness')
    .argument('<part.json...>')
    .option('--format <format>', 'what stdout shows: table or json', parseChoice(['table', 'json']), 'table')
    .option('--by <what>', 'a table for each label or for each workload', parseChoice(['label', 'workload']), 'label')
    .option('-o, --output <file>', 'write the record there')
    .option('--quiet', 'print nothing to stdout')
    .action(async (paths: readonly string[], { format, by, output, quiet }: MergeFlags) => {
      if (output !== undefined) await refuseUnlessFile(output);
      const parts: Part[] = [];
      for (const path of paths) parts.push({ path, record: await readRecord(path) });
      const record = mergeRecords(parts);
      if (output !== undefined) await writeWhole(output, formatRecord(record));
      // Verdicts are of this program's policies; those of another version may be others.
      const safety = record.tool.version === version ? { safety: await readSafety(packageFolder) } : {};
      if (quiet !== true) stdout.write(format === 'json' ? formatRecord(record) : formatTables(record, { by, ...profileOf(record, catalogue), ...safety }));
      setExitCode(exitCodeOf(record, new AbortController().signal));
    });
}

/** A record names its profile, and the hash tells whether the one of that name here is still the same. */
export function profileOf({ experiment: { costs } }: ResultsRecord, { costProfiles }: Catalogue): { readonly profile?: CostProfile } {
  const profile = costProfiles().find(({ hash }) => hash === costs.hash);
  return profile === undefined ? {} : { profile };
}
