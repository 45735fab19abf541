/** Writing a record so that nobody ever sees half of it. */
import { open, rename, stat } from 'node:fs/promises';
import { UserError } from '../model/userError.ts';
import { messageOf } from './record.ts';

/** A rename would replace a device or a pipe by a file: as root, /dev/null too. @throws UserError */
export async function refuseUnlessFile(path: string): Promise<void> {
  const what = `cannot write ${path === '' ? '""' : path}`;
  if (path === '') throw new UserError({ what, why: 'it names no file', fix: 'name one behind -o' });
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || found.isFile()) return;
  if (found.isDirectory()) throw new UserError({ what, why: 'it is a folder', fix: 'name a file in it' });
  throw new UserError({ what, why: 'it is a device or a pipe, which the record would replace', fix: 'name a file, or print the record with --format json' });
}

/** Writes beside the file, to the disk, and renames. @throws UserError where that is not possible. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const beside = `${path}.tmp`;
  try {
    const file = await open(beside, 'w');
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    throw new UserError({ what: `cannot write ${path}`, why: messageOf(error), fix: 'pick another -o FILE, in a folder that exists and that you may write to' });
  }
}
