/** What a process of policyFiles.ts runs: imports one module and tells what is in it. Never loaded by anybody else: it may not come back. */
import { UserError } from '../model/userError.ts';
import type { CheckMessage } from './policyFiles.ts';
import { importPolicies, learnExports } from './policyModule.ts';
import { cellErrorOf } from './runCell.ts';

/** Resolves when the message is on its way. */
const tell = (message: CheckMessage): Promise<void> => new Promise((resolve) => void process.send?.(message, () => resolve()));

try {
  await learnExports();
  const { hash, policies } = await importPolicies(process.argv[2], (what) => void tell({ kind: 'runs', what }));
  await tell({ kind: 'checked', hash, policies: policies.map(({ name, summary, checks, choices }) => ({ name, summary, checks, ...(choices === undefined ? {} : { choices }) })) });
} catch (error) {
  if (error instanceof UserError) {
    await tell({ kind: 'refused', error: { what: error.what, why: error.why, fix: error.fix } });
  } else if (error instanceof SyntaxError) {
    await tell({ kind: 'syntax', message: error.message });
    throw error; // which prints its place
  } else {
    await tell({ kind: 'refused', error: cellErrorOf(error) });
  }
}
// The module may have left something going on.
process.exit();
