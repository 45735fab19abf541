/** One line of progress on a terminal, rewritten in place; nothing at all anywhere else. */
import type { Progress } from '../harness/compare.ts';
import { workOf } from '../harness/schedule.ts';
import type { Output } from './context.ts';

export interface ProgressLine {
  show(progress: Progress): void;
  /** Clears the line, for what comes after it. */
  clear(): void;
}

const CLEAR_LINE = '\r\u001b[K';

/** `nowMs` is a monotonic clock. */
export function createProgressLine(stderr: Output, nowMs: () => number): ProgressLine {
  const line = createLine(stderr);
  if (!line.isShown) return { show() {}, clear() {} }; // and the clock is not asked
  const startMs = nowMs();
  return { show: (progress) => line.show(formatProgress(progress, nowMs() - startMs)), clear: line.clear };
}

/** A line of text that is rewritten in place. */
export function createLine(stderr: Output): { readonly isShown: boolean; readonly show: (text: string) => void; readonly clear: () => void } {
  if (stderr.isTTY !== true) return { isShown: false, show() {}, clear() {} };
  return { isShown: true, show: (text) => void stderr.write(CLEAR_LINE + text), clear: () => void stderr.write(CLEAR_LINE) };
}

/** `12 of 154 cells, 1 failed, about 0:48 left`. What was resumed took no time of this run and says nothing about what remains. */
export function formatProgress({ cells, finished, resumed }: Progress, elapsedMs: number): string {
  const failed = [...finished.values()].filter(({ status }) => status === 'failed').length;
  const parts = [`${finished.size} of ${cells.length} cells`];
  if (failed > 0) parts.push(`${failed} failed`);
  const ran = finished.size - resumed;
  if (ran > 0 && finished.size < cells.length) parts.push(`about ${formatDuration(remainingMs({ cells, finished, resumed }, elapsedMs))} left`);
  return parts.join(', ');
}

function remainingMs({ cells, finished, resumed }: Progress, elapsedMs: number): number {
  const sum = (some: typeof cells) => some.reduce((work, planned) => work + workOf(planned), 0);
  // Which cells were resumed is known by number only: they stand for an average one.
  const doneWork = sum(cells.filter(({ key }) => finished.has(key)));
  const ownWork = doneWork * ((finished.size - resumed) / finished.size);
  return (elapsedMs / ownWork) * sum(cells.filter(({ key }) => !finished.has(key)));
}

/** `0:07`, `12:34`, `1:02:03`. */
function formatDuration(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  const two = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}
