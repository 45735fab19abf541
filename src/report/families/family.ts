/** What reports have to be told of a family: its tables, and what stands under them. */
import type { ResultsRecord } from '../../harness/record.ts';
import type { Block } from '../columnLines.ts';
import type { Group } from '../rows.ts';

export interface FamilyReport {
  /** As in the harness. */
  readonly family: string;
  /** The tables of a group of rows, in their order. */
  readonly blocks: readonly Block[];
  /** Meanings of marks that only this family has; default: none. */
  readonly legend?: readonly string[];
  /** What else its footer says, of a record. */
  readonly footerLines: (record: ResultsRecord, groups: readonly Group[]) => readonly string[];
}
