/** `foliobench calibrate`: what the kernel of this machine costs, measured. */
import { basename } from 'node:path';
import type { Command } from 'commander';
import { BACKINGS } from '../calibrate/backing.ts';
import type { BackingName } from '../calibrate/backing.ts';
import { calibrate } from '../calibrate/calibrate.ts';
import { fitPoints } from '../calibrate/fitPoints.ts';
import { formatPoints, readPoints } from '../calibrate/points.ts';
import type { PointsRecord } from '../calibrate/points.ts';
import { formatProfile } from '../calibrate/profile.ts';
import { formatValidation } from '../calibrate/validationTable.ts';
import { refuseUnlessWritable, writeWhole } from '../harness/output.ts';
import { UserError } from '../model/userError.ts';
import { DEFAULT_COSTS } from '../simulate/costs.ts';
import type { CliContext } from './context.ts';
import { ExitCode } from './exitCodes.ts';
import { parseChoice } from './parse.ts';
import { createLine } from './progress.ts';

interface CalibrateFlags {
  readonly quick?: boolean;
  readonly backing?: BackingName;
  readonly output?: string;
  readonly points?: string;
  readonly fromPoints?: string;
  readonly costs: string;
  readonly quiet?: boolean;
}

export function addCalibrateCommand(program: Command, context: CliContext): void {
  program
    .command('calibrate')
    .description('measure what the kernel of this machine costs, on a guest_memfd or a memfd')
    .option('--quick', 'a small grid, in less than a minute')
    .option('--backing <name>', `${BACKINGS.join(' or ')}; default: the first that there is`, parseChoice(BACKINGS))
    .option('-o, --output <file>', 'write the cost profile there: compare --costs FILE takes it')
    .option('--points <file>', 'write the measured points there: validate takes them')
    .option('--from-points <file>', 'measure nothing: fit the prices to points that were measured before')
    .option('--costs <profile>', 'prices of what cannot be measured here', DEFAULT_COSTS)
    .option('--quiet', 'print nothing to stdout')
    .addHelpText('after', HELP)
    .action((flags: CalibrateFlags) => runCalibrate(flags, context));
}

const HELP = `
It needs Linux, the optional package koffi, and /dev/kvm for a guest_memfd; everything that it opens is closed again.
Exit codes: 0 measured, 2 misuse or a machine that cannot be measured, 130 interrupted: nothing is written.`;

async function runCalibrate(flags: CalibrateFlags, context: CliContext): Promise<void> {
  const { output, points, fromPoints, costs, quiet = false } = flags;
  const { stdout, catalogue, setExitCode } = context;
  if (fromPoints !== undefined) refuseToMeasure(flags);
  for (const file of [output, points]) if (file !== undefined) await refuseUnlessWritable(file);
  const prior = await catalogue.loadCostProfile(costs);
  const record = fromPoints === undefined ? await measureHere(flags, context) : readPoints(fromPoints);
  if (record === null) return setExitCode(ExitCode.Interrupted);
  // The points first: they are what took the time.
  if (points !== undefined) await writeWhole(points, formatPoints(record));
  const fitted = fitPoints(record.points, prior);
  if (output !== undefined) await writeWhole(output, formatProfile(basename(output).replace(/\.json$/, ''), record, fitted, prior));
  if (!quiet) stdout.write(formatValidation(record, fitted, false));
}

/** Points that are there already were measured as they were. */
function refuseToMeasure({ quick, backing, points }: CalibrateFlags): void {
  const asked = [...(quick === true ? ['--quick'] : []), ...(backing === undefined ? [] : ['--backing']), ...(points === undefined ? [] : ['--points'])];
  if (asked.length === 0) return;
  throw new UserError({ what: `${asked.join(' and ')} cannot go with --from-points`, why: 'nothing is measured with it: the points are those of the file', fix: `leave out --from-points, or ${asked.join(' and ')}` });
}

/** The points of this machine; null where it was interrupted. */
async function measureHere({ quick = false, backing }: CalibrateFlags, { stderr, version, environment, nowMs, onInterrupt }: CliContext): Promise<PointsRecord | null> {
  const interrupt = new AbortController();
  const stopListening = onInterrupt(() => interrupt.abort());
  const line = createLine(stderr);
  try {
    const { note, ...record } = await calibrate({
      quick,
      ...(backing === undefined ? {} : { backing }),
      version,
      environment,
      today: new Date().toISOString().slice(0, 10),
      nowMs,
      signal: interrupt.signal,
      onProgress: (done, total) => line.show(`${done} of ${total} visits`),
    });
    line.clear();
    if (note !== null) stderr.write(`foliobench: ${note}\n`);
    return interrupt.signal.aborted ? null : record;
  } finally {
    line.clear();
    stopListening();
  }
}
