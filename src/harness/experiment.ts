/**
 * What an experiment is: everything that is needed to run it again, as plain data, and the cells that it consists of.
 *
 * An experiment is runs x rows x seeds. A run is one workload under one set of parameters; a row is one policy under one
 * reference check. How a user's options become an experiment is `request.ts`.
 */
import type { PlatformName } from '../model/platform.ts';
import type { VmmStrategy } from '../model/request.ts';
import type { ChosenValues } from '../policies/choices.ts';
import type { Check } from '../policies/policy.ts';
import type { WorkloadOptions } from '../workloads/workload.ts';
import { chosenText } from './choices.ts';
import { labelOf } from './families/index.ts';
import { hashOf } from './json.ts';

/** Of whose policies an experiment is: one of families/. */
export type Family = string;

/** Orders of the folio sizes that `--folio` names. */
export const FOLIO_ORDERS = { '4K': 0, '2M': 9, '1G': 18 } as const;
export type FolioSize = keyof typeof FOLIO_ORDERS;

/** Parameters of a cell. Which of them a family has stands in its facts; those that it has are all there, but for those of which this says otherwise. */
export interface CellParams {
  /** Size of the guest, or of what else a family's workloads work on; a trace brings its own. */
  readonly memoryBytes: number;
  readonly folio?: FolioSize;
  /** vCPUs of the guest, or threads that do the work. */
  readonly vcpus?: number;
  readonly processes?: number;
  /** Mappings of the file in each process. */
  readonly vmas?: number;
  readonly conversion?: WorkloadOptions['conversion'];
  readonly dma?: WorkloadOptions['dma'];
  readonly io?: WorkloadOptions['io'];
  readonly pace?: WorkloadOptions['pace'];
  /** Accesses of the workload, over all actors; null for a trace, which has its own length. */
  readonly accesses: number | null;
  /** Absent: `sw-protected`. */
  readonly platform?: PlatformName;
  /** Absent: each policy's own. */
  readonly vmm?: VmmStrategy;
  /** Most pages of one request of the guest to convert. Absent: as the workload asks. */
  readonly requestPages?: number;
  /** How long a device holds the buffer of each I/O, in microseconds. Absent: as the workload draws it. */
  readonly ioHoldUs?: number;
  /** Conversions in per cent of a steady guest's accesses. Absent: as the workload has it. */
  readonly convertShare?: number;
}

/** One workload under one set of parameters. */
export interface Run {
  readonly workload: string;
  readonly params: CellParams;
}

/** One policy under one reference check; null where the policy takes none. */
export interface Row {
  readonly policy: string;
  readonly check: Check | null;
  /** What was chosen of what the policy leaves open. Absent: its defaults. */
  readonly choices?: ChosenValues;
}

export interface Experiment {
  readonly family: Family;
  /** The command that runs it again. */
  readonly command: string;
  readonly costs: { readonly name: string; readonly hash: string };
  readonly seeds: readonly number[];
  readonly rows: readonly Row[];
  readonly runs: readonly Run[];
  /** Modules of policies that do not ship. */
  readonly policyFiles?: readonly PolicySource[];
}

/** A module of the user's, and which rows it has. Another hash is another experiment: figures do not mix. */
export interface PolicySource {
  /** As it was named on the command line. */
  readonly path: string;
  /** Over its source, with what it imports by relative paths. */
  readonly hash: string;
  readonly policies: readonly string[];
}

/** One simulated run, by its inputs. */
export interface Cell {
  readonly family: Family;
  readonly policy: string;
  readonly workload: string;
  readonly check: Check | null;
  readonly choices?: ChosenValues;
  readonly seed: number;
  readonly params: CellParams;
}

export interface PlannedCell {
  /** Place in the plan, and so in the record, whatever the order in which cells end. */
  readonly index: number;
  readonly key: string;
  readonly cell: Cell;
}

/**
 * The cells of an experiment in the order of the record: run by run, so that what a table compares stands together.
 * A trace (`accesses` is null) is recorded, not drawn: it has nothing to seed, so it runs once, under the first seed.
 */
export function planCells({ family, runs, rows, seeds }: Experiment): readonly PlannedCell[] {
  const cells = runs.flatMap(({ workload, params }) =>
    rows.flatMap(({ policy, check, choices }) =>
      (params.accesses === null ? seeds.slice(0, 1) : seeds).map((seed): Cell => ({ family, policy, workload, check, ...(choices === undefined ? {} : { choices }), seed, params })),
    ),
  );
  return cells.map((cell, index) => ({ index, key: cellKey(cell), cell }));
}

/** Names a cell by its inputs alone: the same cell has the same key in every experiment. Readable at the front, exact at the end. */
export function cellKey(cell: Cell): string {
  const { policy, check, choices, workload, seed } = cell;
  const details = [...(check === null ? [] : [check]), ...(choices === undefined ? [] : [chosenText(choices)])].join(', ');
  const row = details === '' ? policy : `${policy} (${details})`;
  return `${row} / ${workload} / ${labelOf(cell)} / seed ${seed} / ${hashOf(pickInputs(cell))}`;
}

/** The hash that a journal and the parts of a merge must share. The version counts: another model gives other figures. */
export function experimentHash(experiment: Experiment, version: string): string {
  return hashOf({ version, experiment });
}

/** A cell read back from a record carries its results too; only its inputs name it. */
function pickInputs({ family, policy, workload, check, choices, seed, params }: Cell): Cell {
  return { family, policy, workload, check, ...(choices === undefined ? {} : { choices }), seed, params };
}
