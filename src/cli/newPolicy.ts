/** `foliobench new policy NAME`: a policy of one's own that runs, and a litmus file for it. What it writes are the files of examples/. */
import { existsSync, statSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { messageOf } from '../harness/record.ts';
import { quoted } from '../harness/shell.ts';
import { UserError } from '../model/userError.ts';
import { nameComplaint } from '../policies/checkPolicy.ts';
import type { CliContext } from './context.ts';
import { parseChoice } from './parse.ts';

const EXAMPLE = 'my-policy';
const ENDINGS = ['.policy.mjs', '.litmus.yaml'] as const;

export function addNewCommand(program: Command, { packageFolder, stdout }: CliContext): void {
  program
    .command('new')
    .description('write a policy of your own that runs at once, and a litmus file for it')
    .argument('<what>', 'policy', parseChoice(['policy']))
    .argument('<name>', 'lower-case words joined by hyphens, such as my-policy')
    .option('--dir <folder>', 'where to', '.')
    .action(async (_what: string, name: string, { dir }: { readonly dir: string }) => {
      const files = await writePolicy(name, dir, packageFolder);
      stdout.write(`${files.join('\n')}\n\n${nextCommands(files)}`);
    });
}

/** @returns the paths of what was written @throws UserError for a name that cannot be, a folder that is not there, a file that is */
async function writePolicy(name: string, folder: string, packageFolder: string): Promise<readonly string[]> {
  const complaint = nameComplaint(name);
  if (complaint !== undefined) throw new UserError({ what: `a policy cannot be named "${name}"`, why: complaint, fix: 'pick another name' });
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new UserError({ what: `cannot write to ${folder}`, why: 'there is no such folder', fix: 'make it first, or name another --dir' });
  }
  const files = ENDINGS.map((ending) => ({ ending, file: path.join(folder, `${name}${ending}`) }));
  const present = files.find(({ file }) => existsSync(file));
  if (present !== undefined) throw new UserError({ what: `${present.file} is there already`, why: 'nothing is written over', fix: 'pick another name, or move the file away' });
  for (const { ending, file } of files) {
    const text = await readFile(path.join(packageFolder, 'examples', `${EXAMPLE}${ending}`), 'utf8');
    await writeFile(file, text.replaceAll(EXAMPLE, name), { flag: 'wx' }).catch((error: unknown) => {
      throw new UserError({ what: `cannot write ${file}`, why: messageOf(error), fix: 'name a --dir that you may write to' });
    });
  }
  return files.map(({ file }) => file);
}

function nextCommands([policy, litmus]: readonly string[]): string {
  // A bare file name would be taken for the name of a policy.
  const word = quoted(path.isAbsolute(policy) || policy.startsWith('.') ? policy : `./${policy}`);
  return [
    `foliobench compare --policy sigbus-on-fault,${word} --workload ping-pong --memory 64MiB`,
    `foliobench explore ${quoted(litmus)} --policy ${word}`,
    '',
  ].join('\n');
}
