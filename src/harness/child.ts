/** What a process of `--isolate` runs: one task in, one result out, with the resident memory that it took. */
import { catalogue } from './builtIn.ts';
import { harnessFile } from './distFile.ts';
import { createPool } from './pool.ts';
import { runCell, type CellTask } from './runCell.ts';
import { messageOf, type CellResult } from './record.ts';
import { failedCell, lostCell } from './schedule.ts';
import { watched } from './watch.ts';

// Ctrl-C reaches the whole process group; the parent decides what becomes of this cell.
process.on('SIGINT', () => {});

process.once('message', async (task: CellTask) => {
  const result = withResidentMemory(task.origin === undefined ? await runCell(task, catalogue) : await runWatched(task));
  process.send?.(result, () => process.disconnect());
});

// A parent that is gone will not read the answer.
process.on('disconnect', () => process.exit());

/** A policy of the user's own may have a step that never comes back: it runs on a thread, so that this one can tell. */
async function runWatched(task: CellTask): Promise<CellResult> {
  const runner = watched(createPool<CellTask, CellResult>({ jobs: 1, workerFile: harnessFile('worker') }), failedCell);
  try {
    return await runner.run(task);
  } catch (error) {
    return lostCell(task, messageOf(error));
  } finally {
    await runner.close();
  }
}

function withResidentMemory(result: CellResult): CellResult {
  if (result.status === 'failed') return result;
  return { ...result, wallClock: { ...result.wallClock, residentBytesMax: process.resourceUsage().maxRSS * 1024 } };
}
