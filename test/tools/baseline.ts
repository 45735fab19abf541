/**
 * The committed baseline, which `.ci/run` gates against: every policy in a few guests, in seconds.
 *
 *   npm run baseline    runs the command, says what changed, and writes results/baseline.json where something did
 *
 * The gate itself runs what the baseline names; this also takes up policies that are new since.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { compareRecords } from '../../src/gate/compareRecords.ts';
import { formatComparison } from '../../src/gate/format.ts';
import { writeWhole } from '../../src/harness/output.ts';
import { formatRecord, readRecord } from '../../src/harness/record.ts';

/** Requests one by one, many pins, many mappings, long-lived pins: what each family of policies is good and bad at. Not the whole library: this runs at every change. */
const COMMAND = 'foliobench compare --policy all --workload ping-pong,dma-storm,fixed-buffers,many-mappings --memory 16MiB --accesses 2000';

// This file is dist/test/tools/baseline.js when it runs.
const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const COMMITTED = fileURLToPath(new URL('../../../results/baseline.json', import.meta.url));

const folder = await mkdtemp(path.join(tmpdir(), 'foliobench-'));
try {
  const fresh = path.join(folder, 'baseline.json');
  execFileSync(process.execPath, [MAIN, ...COMMAND.split(' ').slice(1), '--quiet', '-o', fresh], { stdio: ['ignore', 'inherit', 'inherit'] });
  const record = await readRecord(fresh);
  const comparison = existsSync(COMMITTED) ? compareRecords(await readRecord(COMMITTED), record) : undefined;
  if (comparison !== undefined) process.stdout.write(formatComparison(comparison, { baseline: 'results/baseline.json', current: 'this program' }));
  const isSame = comparison?.findings.length === 0;
  if (!isSame) await writeWhole(COMMITTED, formatRecord(record));
  process.stdout.write(isSame ? 'results/baseline.json is left as it is\n' : `${record.cells.length} cells written to results/baseline.json\n`);
} finally {
  await rm(folder, { recursive: true });
}
