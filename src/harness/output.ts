/** Writing a record so that nobody ever sees half of it. */
import { open, rename } from 'node:fs/promises';
import { UserError } from '../model/userError.ts';
import { messageOf } from './record.ts';

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
