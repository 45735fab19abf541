/** `foliobench calibrate`: what the kernel of this machine costs, measured. */
import type { Command } from 'commander';
import { BACKINGS } from '../calibrate/backing.ts';
import type { BackingName } from '../calibrate/backing.ts';
import { calibrate } from '../calibrate/calibrate.ts';
import { formatPoints } from '../calibrate/points.ts';
import { refuseUnlessFile, writeWhole } from '../harness/output.ts';
import type { CliContext } from './context.ts';
import { ExitCode } from './exitCodes.ts';
import { parseChoice } from './parse.ts';
import { createLine } from './progress.ts';

interface CalibrateFlags {
  readonly quick?: boolean;
  readonly backing?: BackingName;
  readonly points?: string;
  readonly quiet?: boolean;
}

export function addCalibrateCommand(program: Command, context: CliContext): void {
  program
    .command('calibrate')
    .description('measure what the kernel of this machine costs, on a guest_memfd or a memfd')
    .option('--quick', 'a small grid, in less than a minute')
    .option('--backing <name>', `${BACKINGS.join(' or ')}; default: the first that there is`, parseChoice(BACKINGS))
    .option('--points <file>', 'write the measured points there')
    .option('--quiet', 'print nothing to stdout')
    .addHelpText('after', HELP)
    .action((flags: CalibrateFlags) => runCalibrate(flags, context));
}

const HELP = `
It needs Linux, the optional package koffi, and /dev/kvm for a guest_memfd; everything that it opens is closed again.
Exit codes: 0 measured, 2 misuse or a machine that cannot be measured, 130 interrupted: nothing is written.`;

async function runCalibrate({ quick = false, backing, points, quiet = false }: CalibrateFlags, context: CliContext): Promise<void> {
  const { stdout, stderr, version, environment, nowMs, onInterrupt, setExitCode } = context;
  if (points !== undefined) await refuseUnlessFile(points);
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
    if (interrupt.signal.aborted) return setExitCode(ExitCode.Interrupted);
    if (points !== undefined) await writeWhole(points, formatPoints(record));
    if (!quiet) stdout.write(points === undefined ? formatPoints(record) : `${record.points.length} points of a ${record.backing} in ${points}\n`);
  } finally {
    line.clear();
    stopListening();
  }
}
