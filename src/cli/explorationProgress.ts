/** Progress of an exploration: one line on a terminal, rewritten in place; nothing at all anywhere else. */
import type { ExplorationProgress } from '../harness/exploration.ts';
import { formatCount } from '../report/numbers.ts';
import type { Output } from './context.ts';
import { createLine } from './progress.ts';

export interface ExplorationLine {
  readonly show: (progress: ExplorationProgress) => void;
  /** Clears the line, for what comes after it. */
  readonly clear: () => void;
}

/** `nowMs` is a monotonic clock. */
export function createExplorationLine(stderr: Output, nowMs: () => number): ExplorationLine {
  const line = createLine(stderr);
  const startMs = nowMs();
  return { show: (progress) => line.show(formatExplorationProgress(progress, nowMs() - startMs)), clear: line.clear };
}

/** `12 of 154 cells; 1.20M states, 210k states/s; searching: depth 33, 8.10k queued`. */
export function formatExplorationProgress({ cells, finished, failed, searches, states }: ExplorationProgress, elapsedMs: number): string {
  const done = `${finished} of ${cells} cells${failed === 0 ? '' : `, ${failed} failed`}`;
  if (states === 0) return done;
  const rate = elapsedMs > 0 ? `, ${formatCount(Math.round((states / elapsedMs) * 1000))} states/s` : '';
  const depth = Math.max(...searches.map((search) => search.depth));
  const queued = searches.reduce((sum, search) => sum + search.queued, 0);
  const under = searches.length === 0 ? '' : `; searching: depth ${depth}, ${formatCount(queued)} queued`;
  return `${done}; ${formatCount(states)} states${rate}${under}`;
}
