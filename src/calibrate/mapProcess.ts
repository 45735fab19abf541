/**
 * A process that maps the file that it got as descriptor 3, and touches all of it when it is told to.
 * One letter comes in through descriptor 4, one goes out through 5; it ends with its input.
 */
import { readSync, writeSync } from 'node:fs';
import { Advice, MapFlag, PAGE_BYTES, Protection } from './abi.ts';
import { checked } from './backing.ts';
import { MAP_FAILED, openLibc } from './libc.ts';
import { MapCommand } from './neighbours.ts';

const FILE = 3;
const COMMANDS = 4;
const ANSWERS = 5;

const [pages, vmas] = process.argv.slice(2).map(Number);
const bytes = pages * PAGE_BYTES;
const libc = await openLibc();
const windows = Array.from({ length: vmas }, () => {
  const address = libc.mmap(0, bytes, Protection.ReadWrite, MapFlag.Shared, FILE, 0);
  if (address === MAP_FAILED) checked(libc, 'mmap', -1);
  return address;
});
writeSync(ANSWERS, 'k');
const letter = Buffer.alloc(1);
while (readSync(COMMANDS, letter) === 1) {
  const advice = letter.toString() === MapCommand.Write ? Advice.PopulateWrite : Advice.PopulateRead;
  const failed = windows.some((address) => libc.madvise(address, bytes, advice) < 0);
  writeSync(ANSWERS, failed ? 'e' : 'k');
}
