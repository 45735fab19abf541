/**
 * Control points: where a task stands, as one small number in place of its stack of program positions.
 *
 * A call path (which call sites lead to a routine) and a position in that routine are all that a stack says. There are few
 * call paths, so that a number of a dozen bits does for four positions of sixteen.
 */
import { DEPTH_MAX } from '../model/step.ts';
import type { Program } from '../model/step.ts';

export interface ControlPoints {
  /** Numbers are below it; 0 is idle. */
  readonly count: number;
  /** The number of the stack at `pc[base ...]` of this depth. */
  encode(pc: Uint16Array, base: number, depth: number): number;
  /** Writes the stack of a number and returns its depth. */
  decode(point: number, pc: Uint16Array, base: number): number;
}

/** A call path: the call sites from the outermost on, and the routine that it leads to. */
interface Path {
  readonly sites: readonly number[];
  readonly first: number;
  readonly last: number;
}

const known = new WeakMap<object, ControlPoints>();

/** The control points of a program, which are numbered once. */
export function controlPoints(program: Pick<Program, 'callee' | 'routineNames'>): ControlPoints {
  const points = known.get(program) ?? numberPoints(program);
  known.set(program, points);
  return points;
}

function numberPoints(program: Pick<Program, 'callee' | 'routineNames'>): ControlPoints {
  const { callee, routineNames } = program;
  const { length } = routineNames;
  const endOf = (start: number): number => {
    let at = start;
    while (at < length && routineNames[at] === routineNames[start]) at++;
    return at;
  };
  // Path 0 stands for all routines at depth 0.
  const paths: Path[] = [{ sites: [], first: 0, last: length }];
  const children: Map<number, number>[] = [new Map()];
  for (let path = 0; path < paths.length; path++) {
    const { sites, first, last } = paths[path];
    if (sites.length + 1 >= DEPTH_MAX) continue;
    for (let site = first; site < last; site++) {
      if (callee[site] === 0) continue;
      children[path].set(site, paths.length);
      children.push(new Map());
      paths.push({ sites: [...sites, site], first: callee[site], last: endOf(callee[site]) });
    }
  }
  const base: number[] = [];
  let count = 0;
  for (const { first, last } of paths) {
    base.push(count - first);
    count += last - first;
  }
  const bases = Int32Array.from(base);
  const child = new Int32Array(paths.length * length).fill(-1);
  for (const [path, sites] of children.entries()) for (const [site, to] of sites) child[path * length + site] = to;
  const pathOf = new Uint16Array(count);
  for (const [path, { first, last }] of paths.entries()) for (let at = first; at < last; at++) pathOf[base[path] + at] = path;

  return {
    count,
    encode(pc, at, depth) {
      let path = 0;
      for (let level = 0; level < depth; level++) path = child[path * length + pc[at + level]];
      return bases[path] + pc[at + depth];
    },
    decode(point, pc, at) {
      const path = pathOf[point];
      const { sites } = paths[path];
      const depth = sites.length;
      for (let level = 0; level < DEPTH_MAX; level++) pc[at + level] = 0;
      for (let level = 0; level < depth; level++) pc[at + level] = sites[level];
      pc[at + depth] = point - bases[path];
      return depth;
    },
  };
}
