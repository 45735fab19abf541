/** Writing a record so that nobody ever sees half of it. */
import { access, constants, open, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../model/userError.ts';
import { messageOf } from './record.ts';

/** A rename would replace a device or a pipe by a file: as root, /dev/null too. @throws UserError */
export async function refuseUnlessFile(file: string): Promise<void> {
  const what = `cannot write ${file === '' ? '""' : file}`;
  if (file === '') throw new UserError({ what, why: 'it names no file', fix: 'name one behind -o' });
  const found = await stat(file).catch(() => undefined);
  if (found === undefined || found.isFile()) return;
  if (found.isDirectory()) throw new UserError({ what, why: 'it is a folder', fix: 'name a file in it' });
  throw new UserError({ what, why: 'it is a device or a pipe, which the record would replace', fix: 'name a file, or print the record with --format json' });
}

/** The same, and that its folder can be written to: before work whose result would be lost. @throws UserError */
export async function refuseUnlessWritable(file: string): Promise<void> {
  await refuseUnlessFile(file);
  await access(path.dirname(file), constants.W_OK).catch((error: unknown) => {
    throw unwritable(file, error);
  });
}

const unwritable = (file: string, error: unknown): UserError =>
  new UserError({ what: `cannot write ${file}`, why: messageOf(error), fix: 'pick another -o FILE, in a folder that exists and that you may write to' });

/** Writes beside the file, to the disk, and renames. @throws UserError where that is not possible. */
export async function writeWhole(file: string, text: string): Promise<void> {
  const beside = `${file}.tmp`;
  try {
    const handle = await open(beside, 'w');
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(beside, file);
  } catch (error) {
    throw unwritable(file, error);
  }
}
