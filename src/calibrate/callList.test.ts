import { describe, expect, test } from 'vitest';
import { hasMachineCode, libcHere, routinesHere, withoutMachineCode } from '../../test/support/machineCode.ts';
import { PAGE_BYTES, X64Call } from './abi.ts';
import { forkLine, madviseLine, mapShared, openCallList, openLoader, untimed, waitLine } from './callList.ts';
import type { CallLine } from './callList.ts';
import type { Address } from './libc.ts';
import { LINE_ANSWER, LINE_WORDS, Line, WAIT_FOR_ANY_KIND, leaveNoCores, waitForChild } from './machineCode.ts';
import { extentOf } from './ownMemory.ts';
import { withScope } from './scope.ts';
import type { Scope } from './scope.ts';

describe.skipIf(!hasMachineCode)(`a list of calls${withoutMachineCode}`, () => {
  const libc = libcHere();
  /** A list that a child is to run; the view has the answers then. */
  function writeList(scope: Scope, lines: readonly (readonly number[])[]): { readonly address: Address; readonly answers: () => readonly number[] } {
    const { address, words } = mapShared(libc, scope, lines.length * LINE_WORDS * 8);
    for (const [at, line] of lines.entries()) words.set(line.map(BigInt), at * LINE_WORDS);
    return { address, answers: () => lines.map((_, at) => Number(words[at * LINE_WORDS + LINE_ANSWER])) };
  }

  test('a child makes the calls of its list one after the other, keeps what they answer, and ends with the code that it is told', () =>
    withScope((scope) => {
      const routines = routinesHere(scope);
      const list = writeList(scope, [[X64Call.Madvise, 1, 2, 3], [X64Call.Madvise, 0, 0, 0], [Line.Exit, 42]]);
      expect(waitForChild(libc, routines.start(list.address))).toEqual({ byte: 42 });
      expect(list.answers()).toEqual([-22, 0, 0]);
    }));

  test('loads and stores go over each page of their range', () =>
    withScope((scope) => {
      const routines = routinesHere(scope);
      const pages = 5;
      const memory = mapShared(libc, scope, pages * PAGE_BYTES);
      const bytes = libc.view(memory.address, pages * PAGE_BYTES);
      const end = memory.address + 4 * PAGE_BYTES;
      const list = writeList(scope, [[Line.Load, memory.address, end], [Line.Store, memory.address + PAGE_BYTES, end], [Line.Exit]]);
      expect(waitForChild(libc, routines.start(list.address))).toEqual({ byte: 0 });
      expect([0, 1, 2, 3, 4].map((page) => bytes[page * PAGE_BYTES])).toEqual([0, 1, 1, 1, 0]);
    }));

  test('a child of a clone in the list ends at once, and is waited for there', () =>
    withScope((scope) => {
      const routines = routinesHere(scope);
      const wait = [X64Call.Wait4, -1, 0, WAIT_FOR_ANY_KIND, 0];
      const list = writeList(scope, [[X64Call.Clone], [X64Call.Clone], wait, wait, wait, [Line.Exit, 3]]);
      expect(waitForChild(libc, routines.start(list.address))).toEqual({ byte: 3 });
      const [first, second, ...waited] = list.answers();
      expect([first, second].toSorted()).toEqual(waited.slice(0, 2).toSorted());
      expect(waited[2]).toBe(-10); // ECHILD: there were no more
    }));

  test('a child without our memory lives on what it is shown, and dies of what it is not', () =>
    withScope((scope) => {
      leaveNoCores(libc, scope);
      const routines = routinesHere(scope);
      const [shown, hidden] = [mapShared(libc, scope, 1).address, mapShared(libc, scope, 1).address];
      libc.view(shown, 1)[0] = 5;
      const load = openLoader({ libc, routines, scope, shown: [extentOf(shown, PAGE_BYTES)] });
      expect([load(shown), load(hidden)]).toEqual([{ byte: 5 }, { signal: 11 }]);
    }));

  test('a list takes the time of its lines but those that are not to be timed, and one that the kernel refuses a line of says which', () =>
    withScope((scope) => {
      const routines = routinesHere(scope);
      const timeOf = (lines: readonly CallLine[]): number => {
        const run = openCallList({ libc, routines, scope, lines, shown: [] });
        return Math.min(run(), run(), run(), run(), run());
      };
      const fork = [forkLine, waitLine];
      const [none, one] = [timeOf([...untimed([forkLine]), waitLine]), timeOf(fork)];
      expect(none).toBe(0);
      expect(one > 1000 && one < 1e9).toBe(true);
      expect(timeOf([...fork, ...fork, ...fork, ...fork, ...fork, ...fork])).toBeGreaterThan(one / 2);
      expect(() => timeOf([madviseLine(1, 2, 3)])).toThrow('the kernel refuses madvise');
    }));
});
