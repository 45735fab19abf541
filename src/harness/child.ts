/** What a process of `--isolate` runs: one task in, one result out, with the resident memory that it took. */
import { catalogue } from './builtIn.ts';
import { runCell, type CellTask } from './runCell.ts';
import type { CellResult } from './record.ts';

// Ctrl-C reaches the whole process group; the parent decides what becomes of this cell.
process.on('SIGINT', () => {});

process.once('message', async (task: CellTask) => {
  const result = withResidentMemory(await runCell(task, catalogue));
  process.send?.(result, () => process.disconnect());
});

// A parent that is gone will not read the answer.
process.on('disconnect', () => process.exit());

function withResidentMemory(result: CellResult): CellResult {
  if (result.status === 'failed') return result;
  return { ...result, wallClock: { ...result.wallClock, residentBytesMax: process.resourceUsage().maxRSS * 1024 } };
}
