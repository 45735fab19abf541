/** The made-up family of ledgerFamily.ts in reports. */
import { columnLines } from '../../src/report/columnLines.ts';
import type { FamilyReport } from '../../src/report/families/family.ts';
import { ledgerFacts } from './ledgerFacts.ts';

const { countColumn, latencyColumn, mostColumn, perColumn, shareColumn } = columnLines(ledgerFacts.metrics);

export const ledgerReport: FamilyReport = {
  family: 'ledger',
  blocks: [
    { columns: [countColumn(['sum'], 'sum'), countColumn(['lost'], 'lost'), latencyColumn(['addition', 'p50', 'us'], 'add', 'p50')] },
    { columns: [perColumn(['flushes', '/access'], 'tlb.flushes', 'accesses'), shareColumn(['lost', '%'], 'lost', 'accesses'), mostColumn(['pages'], 'pagesMax')] },
  ],
  footerLines: (record) => [`clerks of ${record.experiment.family}`],
};
