/** The command line as a whole: the verbs, and one form for every mistake. */
import { Command, CommanderError } from 'commander';
import { nearestNames, UserError } from '../model/userError.ts';
import { StepError } from '../policies/guard.ts';
import { addCalibrateCommand } from './calibrate.ts';
import { addCompareCommand } from './compare.ts';
import type { CliContext } from './context.ts';
import { ExitCode } from './exitCodes.ts';
import { addDiffCommand } from './diff.ts';
import { addExplainCommand } from './explain.ts';
import { addExploreCommand } from './explore.ts';
import { addGateCommand } from './gate.ts';
import { addListCommand } from './list.ts';
import { addMergeCommand } from './merge.ts';
import { addNewCommand } from './newPolicy.ts';
import { addReportCommand } from './report.ts';
import { addSweepCommand } from './sweep.ts';
import { addValidateCommand } from './validate.ts';

/** Runs one command line (without the program's own name). Never throws: what goes wrong is one message and an exit code. */
export async function runCommandLine(words: readonly string[], context: CliContext): Promise<void> {
  const program = createProgram(context);
  try {
    await program.parseAsync(words, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return; // help or version, printed already
    const mistake = error instanceof CommanderError ? misuseOf(error, program, words) : error instanceof StepError ? new UserError(error) : error;
    if (!(mistake instanceof UserError)) throw mistake;
    context.stderr.write(`foliobench: ${mistake.message}\n`);
    context.setExitCode(ExitCode.Misuse);
  }
}

/** The verbs and their options, as commander knows them. */
export function createProgram(context: CliContext): Command {
  const program = new Command('foliobench')
    .description('compare policies for shared/private page conversion in guest_memfd')
    .version(context.version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      writeErr: () => {}, // said below, in our form
    });
  // Verbs inherit the settings above only if they are made after them.
  addCompareCommand(program, context);
  addSweepCommand(program, context);
  addExploreCommand(program, context);
  addExplainCommand(program, context);
  addListCommand(program, context);
  addMergeCommand(program, context);
  addReportCommand(program, context);
  addDiffCommand(program, context);
  addGateCommand(program, context);
  addCalibrateCommand(program, context);
  addValidateCommand(program, context);
  addNewCommand(program, context);
  return program;
}

/** Commander's own complaints: an unknown verb or option, a missing value, too many words. */
function misuseOf({ code, message }: CommanderError, program: Command, words: readonly string[]): UserError {
  const verbs = program.commands.map((command) => command.name());
  const verb = program.commands.find((command) => words.includes(command.name()));
  if (code === 'commander.help' || code === 'commander.unknownCommand') {
    const [wanted] = words;
    const near = wanted === undefined ? [] : nearestNames(wanted, verbs);
    return new UserError({
      what: wanted === undefined ? 'no command was given' : `unknown command "${wanted}"`,
      why: `there are ${verbs.join(', ')}`,
      fix: near.length > 0 ? `did you mean ${near.join(' or ')}?` : 'see foliobench --help',
    });
  }
  const [what, ...hints] = message.replace(/^error: /, '').split('\n');
  const hint = /Did you mean (.+?)\?/.exec(hints.join(' '));
  return new UserError({
    what: what.replaceAll("'", '"'),
    why: verb === undefined ? 'the command line does not say what to do' : `foliobench ${verb.name()} does not take it that way`,
    fix: hint === null ? `see foliobench ${verb === undefined ? '' : `${verb.name()} `}--help` : `did you mean ${hint[1]}?`,
  });
}
