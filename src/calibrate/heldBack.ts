/**
 * Which points of a grid the fit does not see, so that it can be asked about them: one in four, chosen by what the point is and not
 * by what it measured, and one whole corner of the grid, where prices are tried beyond what they were fitted to.
 */
import { createHash } from 'node:crypto';

/** What a point is held back for; null: it is fitted. */
export type HeldBack = 'by its hash' | 'in the corner' | 'a whole sequence' | null;

/** One point in so many. */
const ONE_IN = 4;
/** The corner: so many pages and more, in so many VMAs and more. */
export const CORNER = { pages: 256, vmas: 32 } as const;

/** @param key names the point by its inputs alone */
export function heldBackFor(key: string, { pages, vmas }: { readonly pages: number; readonly vmas: number }): HeldBack {
  if (pages >= CORNER.pages && vmas >= CORNER.vmas) return 'in the corner';
  return createHash('sha256').update(key).digest().readUInt32BE(0) % ONE_IN === 0 ? 'by its hash' : null;
}
