/** Reports of families, by name. */
import type { Block } from '../columnLines.ts';
import type { SummaryRow } from '../rows.ts';
import type { FamilyReport } from './family.ts';
import { familyReports } from './list.ts';

/** @throws Error for a family that reports do not know */
export function reportOf(family: string): FamilyReport {
  const report = familyReports.find((one) => one.family === family);
  if (report === undefined) throw new Error(`no report of the family ${family}`);
  return report;
}

/** The tables that rows of one family have something to say in. */
export const blocksOf = (rows: readonly SummaryRow[]): readonly Block[] => (rows.length === 0 ? [] : reportOf(rows[0].family).blocks.filter(({ isShown = () => true }) => isShown(rows)));
