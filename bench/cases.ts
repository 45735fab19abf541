/** Every case, in the order of the table. To add one: its place under cases/, in the list of its file. */
import { engineCases } from './cases/engine.ts';
import { explorerCases } from './cases/explorer.ts';
import { guestSizeCases } from './cases/guestSize.ts';
import { recordCases } from './cases/records.ts';
import { wholeCases } from './cases/whole.ts';
import type { BenchCase } from './measurement.ts';

export const cases: readonly BenchCase[] = [...engineCases, ...recordCases, ...explorerCases, ...guestSizeCases, ...wholeCases];
