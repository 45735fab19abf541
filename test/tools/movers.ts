/**
 * Movers (Lipton, "Reduction", 1975): whether a task's next step may change places with what another task does.
 *
 * Asked of single states, both ways round: of a step that may be joined to what comes before it, to what comes after it, or to
 * both, the two orders must be possible alike and lead to the same state, with the same things said of the data.
 */
import { Op } from '../../src/model/operations.ts';
import { Mark } from '../../src/model/step.ts';
import type { TaskWorld } from '../../src/model/taskWorld.ts';
import { Choice, choiceOf, isAcknowledgement, taskOf } from '../../src/explore/moves.ts';
import type { Machine } from '../../src/explore/machine.ts';
import { forEachMove } from '../../src/explore/search.ts';

/** Where moves lead: all bytes, and what they told of the data; undefined where one of them is not possible. */
function after<W extends TaskWorld>(machine: Machine<W>, moves: readonly number[]): { readonly state: Uint8Array; readonly exposed: number; readonly told: string } | undefined {
  const { count } = machine.world.meter;
  let exposed = 0;
  const told: string[] = [];
  try {
    for (const move of moves) {
      const isPossible = isAcknowledgement(move) ? machine.canAcknowledge(taskOf(move), choiceOf(move)) : machine.hasWork(taskOf(move));
      if (!isPossible || !machine.take(move)) return undefined;
      // What no longer has to wait cannot time out.
      if (!isAcknowledgement(move) && choiceOf(move) === Choice.TimeOut && !machine.mayTimeOut) return undefined;
      exposed += count[Op['access.exposed']];
      for (const { name, operation } of machine.litmus.family.moveRules) if (operation !== Op['access.exposed'] && count[operation] > 0) told.push(`${taskOf(move)} breaks ${name}`);
    }
    for (const { name, array } of machine.scene.columns) {
      const ghosts = machine.scene.ghostsOf?.(name) ?? 0;
      if (ghosts !== 0) for (const at of array.keys()) array[at] &= ~ghosts;
    }
    return { state: machine.bytes(), exposed, told: told.sort().join() };
  } finally {
    machine.restore();
  }
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => a.every((byte, at) => byte === b[at]);

export interface MoverOptions {
  /** By program position, what each step is held to. */
  readonly marks: Uint8Array;
  /** Whether this CPU's acknowledgements are given as soon as they can be. */
  readonly acknowledgesUnseen: (cpu: number) => boolean;
}

interface Mover {
  readonly move: number;
  readonly name: string;
  readonly toRight: boolean;
  readonly toLeft: boolean;
}

/** What may be joined to what is before or behind it, in the state that the machine has kept. */
function moversOf<W extends TaskWorld>(machine: Machine<W>, moves: readonly number[], { marks, acknowledgesUnseen }: MoverOptions): readonly Mover[] {
  const { routineNames } = machine.host.program;
  return moves.flatMap((move) => {
    if (isAcknowledgement(move)) return acknowledgesUnseen(choiceOf(move)) ? [{ move, name: nameOf(machine, move), toRight: false, toLeft: true }] : [];
    const at = machine.positionOf(taskOf(move));
    const mark = marks[at];
    const toRight = mark === Mark.Free || mark === Mark.Guarded || mark === Mark.Acquire;
    const toLeft = mark === Mark.Free || mark === Mark.Guarded || mark === Mark.Release;
    return toRight || toLeft ? [{ move, name: `${routineNames[at]}.${nameOf(machine, move)}`, toRight, toLeft }] : [];
  });
}

/** Every step that does not move as its mark says, in the state that the machine has kept. */
export function immobilities<W extends TaskWorld>(machine: Machine<W>, options: MoverOptions): readonly string[] {
  const moves: number[] = [];
  forEachMove(machine, false, (move) => {
    moves.push(move);
    // A rest has two ends; whether there is one is known only when it was tried.
    after(machine, [move]);
    return false;
  });
  const found: string[] = [];
  for (const { move, name, toRight, toLeft } of moversOf(machine, moves, options)) {
    for (const other of moves) {
      if (actorOf(other) === actorOf(move)) continue;
      const first = after(machine, [move, other]);
      const second = after(machine, [other, move]);
      // Where a way to private data opens the search ends: what comes after it is nobody's business.
      if ((first?.exposed ?? 0) + (second?.exposed ?? 0) > 0) continue;
      const complain = (what: string): void => void found.push(`${name} and ${nameOf(machine, other)}: ${what}`);
      if (toRight && first !== undefined && second === undefined) complain('the other is possible only after it');
      // To the left it moves past what was possible without it. Interrupts that go off put an acknowledgement off and change nothing else.
      if (toLeft && after(machine, [other]) !== undefined && (first === undefined || (second === undefined && !isAcknowledgement(move)))) complain('one of them stops the other');
      if (first === undefined || second === undefined) continue;
      if (first.told !== second.told) complain(`"${first.told}" in one order, "${second.told}" in the other`);
      else if (!sameBytes(first.state, second.state)) complain('the two orders lead to two states');
    }
  }
  return found;
}

const actorOf = (move: number): string => (isAcknowledgement(move) ? `CPU ${choiceOf(move)}` : `task ${taskOf(move)}`);
const nameOf = <W extends TaskWorld>(machine: Machine<W>, move: number): string => (isAcknowledgement(move) ? 'an acknowledgement' : machine.host.program.names[machine.positionOf(taskOf(move))]);
