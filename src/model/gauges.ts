/**
 * Gauges: how much there is of something at a moment, told to the meter by whoever changes it.
 *
 * An operation counts what happened; a gauge knows what is. Engines that have a clock integrate them over time. They are no state
 * of the world: each can be counted again from its columns (`src/model/recount.ts`), and the explorer does without.
 */
export const GAUGES = [
  // Pages of the file that are in the page cache, those of large folios among them.
  'pages',
  // Large folios of core-mm in the page cache that are in one piece.
  'largeFolios',
  // Pages of a second memory beside the file, and indices that have a page in both.
  'privatePages',
  'doublePages',
  // Host page tables of the lowest level.
  'tables',
  // Stage-2 leaves.
  'leaves4K',
  'leaves2M',
  'leaves1G',
  // Entries that map nothing and are kept for their write-protection, and page tables that have some.
  'keptEntries',
  'keptTables',
] as const;
export type GaugeName = (typeof GAUGES)[number];

/** The index of each gauge in the list, by name: `Gauge.pages`. */
export const Gauge = Object.freeze(Object.fromEntries(GAUGES.map((name, index) => [name, index]))) as { readonly [N in GaugeName]: number };
