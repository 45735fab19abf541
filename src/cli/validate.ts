/** `foliobench validate`: what the model predicts against what was measured. */
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import { compareWithKernel, sequencesOf } from '../calibrate/agreement.ts';
import { formatAgreement } from '../calibrate/agreementText.ts';
import { openBacking } from '../calibrate/backing.ts';
import { coverageOf, formatCoverage } from '../calibrate/coverage.ts';
import { fitPoints } from '../calibrate/fitPoints.ts';
import { openLibc } from '../calibrate/libc.ts';
import { readPoints } from '../calibrate/points.ts';
import { notRunnable } from '../calibrate/runnable.ts';
import { withScope } from '../calibrate/scope.ts';
import { formatValidation } from '../calibrate/validationTable.ts';
import { readLibrary, readLitmusFiles } from '../harness/litmusFiles.ts';
import { readRecord } from '../harness/record.ts';
import { UserError } from '../model/userError.ts';
import { DEFAULT_COSTS } from '../simulate/costs.ts';
import type { CliContext } from './context.ts';
import { ExitCode } from './exitCodes.ts';

interface ValidateFlags {
  readonly costs: string;
  readonly all?: boolean;
  readonly covers?: string;
  readonly kernel?: boolean;
}

export function addValidateCommand(program: Command, context: CliContext): void {
  program
    .command('validate')
    .description('predicted against measured: each point of a grid, those held back from the fit too')
    .argument('[points.json...]', 'what calibrate --points wrote; default: the committed grids; with --kernel: litmus files')
    .option('--costs <profile>', 'prices that the fit begins with', DEFAULT_COSTS)
    .option('--all', 'every point, and not only what is off by more than a quarter')
    .option('--covers <record>', "a record of compare: how much of its priced time rests on what was measured (default: the package's baseline, where it is there)")
    .option('--kernel', 'ask the kernel of this machine what operations answer, and compare with the model')
    .addHelpText('after', '\nExit codes: 0 told, 1 the kernel answers otherwise than the model, 2 misuse or a machine that cannot be asked.')
    .action((files: readonly string[], flags: ValidateFlags) => (flags.kernel === true ? runAgreement(files, context) : runValidate(files, flags, context)));
}

/** Random sequences beside the litmus files. */
const RANDOM = { count: 300, length: 40 } as const;

async function runAgreement(files: readonly string[], { stdout, stderr, packageFolder, setExitCode }: CliContext): Promise<void> {
  const litmus = files.length > 0 ? await readLitmusFiles(files, packageFolder, []) : await readLibrary(packageFolder);
  const libc = await openLibc();
  const { agreement, backing, note } = await withScope(async (scope) => {
    const opened = openBacking(libc, scope, undefined);
    return { agreement: await compareWithKernel(libc, opened.backing, sequencesOf(litmus.map((file) => file.litmus), RANDOM)), backing: opened.backing.name, note: opened.note };
  });
  if (note !== null) stderr.write(`foliobench: ${note}\n`);
  stdout.write(formatAgreement(agreement, backing, notRunnable(litmus.map((file) => file.litmus))));
  if (agreement.disagreements.length > 0) setExitCode(ExitCode.Failed);
}

async function runValidate(files: readonly string[], { costs, all = false, covers: named }: ValidateFlags, { stdout, catalogue, packageFolder }: CliContext): Promise<void> {
  const prior = await catalogue.loadCostProfile(costs);
  const covers = named ?? committedBaseline(packageFolder);
  const covered = covers === undefined ? undefined : await readRecord(covers);
  const tables = (files.length > 0 ? files : committedGrids(packageFolder)).map((file) => {
    const record = readPoints(file);
    const fitted = fitPoints(record.points, prior);
    const text = formatValidation(record, fitted, all);
    return covers === undefined || covered === undefined ? text : `${text}\n${formatCoverage(coverageOf(covered, fitted.fit), basename(covers))}`;
  });
  stdout.write(tables.join('\n'));
}

/** The record that changes of foliobench are judged by; a package that was installed may be without it. */
function committedBaseline(packageFolder: string): string | undefined {
  const file = join(packageFolder, 'results', 'baseline.json');
  return existsSync(file) ? file : undefined;
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
