/** The parts of `compare --shard i/n` as one record: the same bytes as one whole run, but for the machine and its clock. */
import { UserError } from '../model/userError.ts';
import { createRecord } from './compare.ts';
import { cellKey, experimentHash, planCells } from './experiment.ts';
import type { CellResult, Environment, ResultsRecord } from './record.ts';

export interface Part {
  readonly path: string;
  readonly record: ResultsRecord;
}

/** @throws UserError where a part belongs to another experiment, two have the same cell, or cells are missing. */
export function mergeRecords(parts: readonly Part[]): ResultsRecord {
  if (parts.length === 0) throw new UserError({ what: 'there is nothing to merge', why: 'no part was named', fix: 'name the records of all shards' });
  const [first] = parts;
  checkSameExperiment(parts);
  checkShardsOnce(parts);
  const { experiment, tool: { version } } = first.record;
  const plan = planCells(experiment);
  const finished = collectCells(parts, new Set(plan.map(({ key }) => key)));
  const missing = plan.filter(({ key }) => !finished.has(key));
  if (missing.length > 0) {
    throw new UserError({
      what: `${missing.length} of ${plan.length} cells are in no part`,
      why: `the first is ${missing[0].key}${missingShards(parts)}`,
      fix: 'name all the parts, and --resume those that did not end',
    });
  }
  return createRecord({ version, environment: mergeEnvironments(parts.map(({ record }) => record.environment)), experiment, plan, finished });
}

function checkSameExperiment(parts: readonly Part[]): void {
  const [first, ...others] = parts.map(({ path, record: { experiment, tool } }) => ({ path, hash: experimentHash(experiment, tool.version) }));
  for (const { path, hash } of others) {
    if (hash === first.hash) continue;
    throw new UserError({
      what: `${path} and ${first.path} are parts of different experiments`,
      why: `their hashes are ${hash} and ${first.hash}`,
      fix: 'run all shards with the same options and the same version of foliobench',
    });
  }
}

/** A part given twice is told as what it is, and not by its first cell. */
function checkShardsOnce(parts: readonly Part[]): void {
  const seen = new Map<string, string>();
  for (const { path, record: { shard } } of parts) {
    if (shard === undefined) continue;
    const name = `${shard.index}/${shard.count}`;
    const other = seen.get(name);
    if (other !== undefined) throw new UserError({ what: `shard ${name} is given twice`, why: `it is in ${other} and in ${path}`, fix: 'name each part once' });
    seen.set(name, path);
  }
}

function collectCells(parts: readonly Part[], planned: ReadonlySet<string>): ReadonlyMap<string, CellResult> {
  const finished = new Map<string, CellResult>();
  const origins = new Map<string, string>();
  for (const { path, record } of parts) {
    for (const cell of record.cells) {
      const key = cellKey(cell);
      const origin = origins.get(key);
      if (origin !== undefined) throw new UserError({ what: `one cell is in two parts: ${path} and ${origin}`, why: `both have ${key}`, fix: 'name each part once' });
      if (!planned.has(key)) throw new UserError({ what: `${path} has a cell that its experiment does not have`, why: `it is ${key}`, fix: 'run that part again' });
      origins.set(key, path);
      finished.set(key, cell);
    }
  }
  return finished;
}

/** Which shards are absent, where the parts say how many there are. */
function missingShards(parts: readonly Part[]): string {
  const shards = parts.flatMap(({ record }) => record.shard ?? []);
  const [first] = shards;
  if (first === undefined || shards.some(({ count }) => count !== first.count)) return '';
  const present = new Set(shards.map(({ index }) => index));
  const absent = Array.from({ length: first.count }, (_, index) => index + 1).filter((index) => !present.has(index));
  return absent.length === 0 ? '' : `; absent: shard ${absent.map((index) => `${index}/${first.count}`).join(', ')}`;
}

/** Parts of several machines name them all. */
function mergeEnvironments(environments: readonly Environment[]): Environment {
  const all = (field: Exclude<keyof Environment, 'cpus'>) => [...new Set(environments.map((environment) => environment[field]))].join(' + ');
  const cpus = new Set(environments.map((environment) => environment.cpus));
  return {
    node: all('node'),
    platform: all('platform'),
    arch: all('arch'),
    cpuModel: all('cpuModel'),
    cpus: cpus.size === 1 ? environments[0].cpus : null,
    kernel: all('kernel'),
  };
}
