/** What a thread of the pool runs: one task in, one result out. */
import { catalogue } from './builtIn.ts';
import { runCell, type CellTask } from './runCell.ts';
import type { CellResult } from './record.ts';

export default function work(task: CellTask): Promise<CellResult> {
  return runCell(task, catalogue);
}
