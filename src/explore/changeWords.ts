/** Words for changes: which window is meant, and what a bit has done. */
import type { World } from '../model/world.ts';

/** Windows that no forked child has. */
const ownWindows = ({ shape }: World): number => shape.windows - shape.childWindows;

/** "process 1" where there are several, "the child"; nothing where there is only one. */
export function ownerName(world: World, mm: number): string {
  const { mms, childWindows } = world.shape;
  if (childWindows > 0 && mm === mms - 1) return 'the child';
  return new Set(world.windowMm.subarray(0, ownWindows(world))).size > 1 ? `process ${mm}` : '';
}

/** Behind what is said of a window: which of several mappings of its process, and which process. */
export function inWindow(world: World, window: number): string {
  const { windows, mms } = world.shape;
  const own = ownWindows(world);
  const isChild = window >= own;
  const mm = isChild ? mms - 1 : world.windowMm[window];
  const siblings = Array.from({ length: windows }, (_, other) => other).filter((other) => (other >= own) === isChild && (isChild || world.windowMm[other] === mm));
  const mapping = siblings.length === 1 ? [] : [`mapping ${siblings.indexOf(window)}`];
  const parts = [...mapping, ownerName(world, mm)].filter((part) => part !== '');
  return parts.length === 0 ? '' : ` in ${parts.join(' of ')}`;
}

export const gained = (before: number, after: number, bit: number): boolean => (before & bit) === 0 && (after & bit) !== 0;
export const lost = (before: number, after: number, bit: number): boolean => gained(after, before, bit);

export function forEachPage(world: World, tell: (page: number) => readonly string[]): readonly string[] {
  return Array.from({ length: world.shape.pages }, (_, page) => tell(page)).flat();
}
