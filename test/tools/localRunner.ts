/** A runner for tests that runs cells right here, through the real `runCell`, and can be told to lose a worker. */
import type { Catalogue } from '../../src/harness/catalogue.ts';
import type { CellResult } from '../../src/harness/record.ts';
import { runCell, type CellTask } from '../../src/harness/runCell.ts';
import type { CellRunner } from '../../src/harness/schedule.ts';
import { fakeCatalogue } from './fakeCatalogue.ts';

export interface LocalRunner extends CellRunner {
  /** Tasks in the order in which they were begun. */
  readonly begun: CellTask[];
  closed: boolean;
}

/** A clock that moves by 1 us whenever somebody looks. */
export function tickingClock(): () => bigint {
  let ns = 0n;
  return () => (ns += 1000n);
}

export function createLocalRunner(
  catalogue: Catalogue = fakeCatalogue,
  before: (task: CellTask, nth: number) => void | Promise<void> = () => {},
): LocalRunner {
  const begun: CellTask[] = [];
  return {
    begun,
    closed: false,
    async run(task): Promise<CellResult> {
      begun.push(task);
      await before(task, begun.length);
      return runCell(structuredClone(task), catalogue, tickingClock());
    },
    async close() {
      this.closed = true;
    },
  };
}
