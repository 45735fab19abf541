/** `foliobench validate`: what the model predicts against what was measured. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { fitPoints } from '../calibrate/fitPoints.ts';
import { readPoints } from '../calibrate/points.ts';
import { formatValidation } from '../calibrate/validationTable.ts';
import { UserError } from '../model/userError.ts';
import { DEFAULT_COSTS } from '../simulate/costs.ts';
import type { CliContext } from './context.ts';

interface ValidateFlags {
  readonly costs: string;
  readonly all?: boolean;
}

export function addValidateCommand(program: Command, context: CliContext): void {
  program
    .command('validate')
    .description('predicted against measured: each point of a grid, those held back from the fit too')
    .argument('[points.json...]', 'what calibrate --points wrote; default: the committed grids')
    .option('--costs <profile>', 'prices that the fit begins with', DEFAULT_COSTS)
    .option('--all', 'every point, and not only what is off by more than a quarter')
    .action((files: readonly string[], flags: ValidateFlags) => runValidate(files, flags, context));
}

async function runValidate(files: readonly string[], { costs, all = false }: ValidateFlags, { stdout, catalogue, packageFolder }: CliContext): Promise<void> {
  const prior = await catalogue.loadCostProfile(costs);
  const tables = (files.length > 0 ? files : committedGrids(packageFolder)).map((file) => {
    const record = readPoints(file);
    return formatValidation(record, fitPoints(record.points, prior), all);
  });
  stdout.write(tables.join('\n'));
}

/** `results/calibration` of the package. */
function committedGrids(packageFolder: string): readonly string[] {
  const folder = join(packageFolder, 'results', 'calibration');
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')).sort() : [];
  if (files.length > 0) return files.map((name) => join(folder, name));
  throw new UserError({
    what: 'there are no points to validate',
    why: `${folder} has none`,
    fix: 'measure some with foliobench calibrate --points FILE, and give that file',
  });
}
