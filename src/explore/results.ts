/** Results: how an operation ended, as one number in a state and as the words of a litmus file. */
import { ERRNOS, Errno } from '../model/errno.ts';
import type { ExpectedResult } from './litmus.ts';

/** Errno in the lowest 4 bits, then the page of the error offset plus one (4 bits), then the value that was read plus one (9 bits). Never 0: the lowest bit of all is set. */
export const resultId = (errno: number, at: number, value: number): number => 1 | (errno << 1) | ((at + 1) << 5) | ((value + 1) << 10);

/** The largest number of `resultId`. */
export const RESULT_MAX = resultId(ERRNOS.length - 1, 15, 255);

const errnoOf = (result: number): number => (result >> 1) & 15;
const pageOf = (result: number): number => ((result >> 5) & 31) - 1;
const valueOf = (result: number): number => (result >> 10) - 1;

/** "EAGAIN at 2", "0xB", "OK", "SIGBUS". */
export function resultText(result: number): string {
  const at = pageOf(result);
  const value = valueOf(result);
  if (value >= 0) return `0x${value.toString(16).toUpperCase()}`;
  return at >= 0 ? `${ERRNOS[errnoOf(result)]} at ${at}` : ERRNOS[errnoOf(result)];
}

/** The errno alone: what stands in an outcome. */
export const errnoText = (result: number): string => ERRNOS[errnoOf(result)];

/** Whether the operation ended as expected; what the expectation leaves open fits everything. */
export function fits(result: number, { errno, at, value }: ExpectedResult): boolean {
  return errnoOf(result) === Errno[errno] && (at === undefined || pageOf(result) === at) && (value === undefined || valueOf(result) === value);
}

export const succeeded = (result: number): boolean => errnoOf(result) === Errno.OK;
