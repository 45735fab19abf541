/** A runner for tests that explores cells right here, through the real `exploreCell`. */
import type { ExplorationRunner, ExplorationRunnerOptions } from '../../src/harness/exploration.ts';
import { exploreCell } from '../../src/harness/exploreCell.ts';

export const createLocalExplorationRunner = ({ onProgress }: ExplorationRunnerOptions): ExplorationRunner => ({
  run: async (task) => exploreCell(structuredClone(task), (progress) => onProgress({ cell: task.cell, ...progress })),
  async close() {},
});
