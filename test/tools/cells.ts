/**
 * Cells of the real catalogue, asked for in the words of the command line and run right here: what a user would get,
 * without the processes and threads around it.
 */
import { readFileSync } from 'node:fs';
import { catalogue as builtIn } from '../../src/harness/builtIn.ts';
import type { Catalogue } from '../../src/harness/catalogue.ts';
import { packageFolder } from '../../src/harness/packageFolder.ts';
import type { ResultsRecord, SucceededCell } from '../../src/harness/record.ts';
import { runCommandLine } from '../../src/cli/program.ts';
import { toolVersion } from '../../src/harness/environment.ts';
import { COSTS_SCHEMA, parseCostProfile, type CostProfile } from '../../src/simulate/costs.ts';
import { createLocalExplorationRunner } from './localExplorationRunner.ts';
import { createLocalRunner } from './localRunner.ts';

/** A price that calibration would have measured; no profile that we ship has one yet. */
const MEASURED = 'pte.zap';

/** The published profile as `calibrate` would leave it, with one price measured: `--costs measured`. */
function measuredCosts(): CostProfile {
  const published: unknown = JSON.parse(readFileSync(new URL('../../results/costs/published-x86.json', import.meta.url), 'utf8'));
  const { prices, ...rest } = published as { readonly prices: Readonly<Record<string, object>> };
  const measured = { ...rest, name: 'measured', schema: COSTS_SCHEMA, prices: { ...prices, [MEASURED]: { ...prices[MEASURED], source: 'measured' } } };
  return parseCostProfile(measured, 'the profile of the tests');
}

export const catalogue: Catalogue = {
  ...builtIn,
  loadCostProfile: (nameOrPath) => (nameOrPath === 'measured' ? measuredCosts() : builtIn.loadCostProfile(nameOrPath)),
};

/** The record of `foliobench compare` with these words. Throws what the user would be told. */
export async function recordOf(words: string): Promise<ResultsRecord> {
  let stdout = '';
  let stderr = '';
  await runCommandLine(['compare', ...words.split(' ').filter((word) => word !== ''), '--format', 'json'], {
    catalogue,
    version: toolVersion(),
    environment: { node: process.version, platform: 'any', arch: 'any', cpuModel: 'any', cpus: 1, kernel: 'any' },
    createRunner: () => createLocalRunner(catalogue),
    createExplorationRunner: createLocalExplorationRunner,
    packageFolder: packageFolder(),
    ciEnvironment: {},
    runProgram: () => Promise.reject(new Error('no other program')),
    stdout: { write: (text) => void (stdout += text) },
    stderr: { write: (text) => void (stderr += text) },
    nowMs: () => 0,
    onInterrupt: () => () => {},
    setExitCode: () => {},
  });
  if (stderr !== '') throw new Error(stderr);
  return JSON.parse(stdout) as ResultsRecord;
}

const cells = new Map<string, Promise<SucceededCell>>();

/** The one cell that these words ask for; the same words run once. */
export function cellOf(words: string): Promise<SucceededCell> {
  const cell = cells.get(words) ?? onlyCell(words);
  cells.set(words, cell);
  return cell;
}

async function onlyCell(words: string): Promise<SucceededCell> {
  const [cell, ...others] = (await recordOf(words)).cells;
  if (others.length > 0) throw new Error(`${words}: ${others.length + 1} cells, expected one`);
  if (cell.status === 'failed') throw new Error(`${words}: ${cell.error.what} (${cell.error.why})`);
  return cell;
}
