/** Which parameters can be built at all: checked before any work, so that a run does not fail in its last cell. */
import { checkMappings, WINDOWS_MAX } from '../model/shape.ts';
import { UserError } from '../model/userError.ts';
import { checkActors, CPUS_MAX, windowsOf } from '../simulate/prepare.ts';
import type { Actor } from '../workloads/workload.ts';
import { FOLIO_ORDERS, type CellParams } from './experiment.ts';
import { formatSize } from './sizes.ts';

export const PAGE_BYTES = 4096;
/** Most of each count that the columns of a world can hold; a process has an 8-bit id, and a forked child needs one too. The largest guest has 1 TiB. */
const COUNTS_MAX = { vcpus: CPUS_MAX, processes: 255, vmas: WINDOWS_MAX >> 1, 'request-pages': 1 << 28 } as const;

/** What can be said before the workload is opened. @throws UserError for parameters that no world can have */
export function checkParams(params: CellParams): void {
  for (const name of ['vcpus', 'processes', 'vmas'] as const) checkCount(name, params[name]);
  if (params.requestPages !== undefined) checkCount('request-pages', params.requestPages);
  checkMemory(params);
  checkOpened([], params);
}

/** A workload may bring more actors, and they more processes, than were asked for. @throws UserError where no world has room for them */
export function checkOpened(actors: readonly Actor[], { memoryBytes, processes, vmas }: CellParams): void {
  checkActors(actors);
  checkMappings({ pages: memoryBytes / PAGE_BYTES, windows: windowsOf({ processes, windowsPerProcess: vmas }, actors) });
}

/** Whether the memory is a number of whole folios. */
export const folioDivides = ({ memoryBytes, folio }: CellParams): boolean => memoryBytes % (PAGE_BYTES << FOLIO_ORDERS[folio]) === 0;

function checkMemory({ memoryBytes, folio }: CellParams): void {
  const folioBytes = PAGE_BYTES << FOLIO_ORDERS[folio];
  if (memoryBytes <= 0 || memoryBytes % PAGE_BYTES !== 0) {
    throw new UserError({
      what: `a guest cannot have ${memoryBytes} bytes of memory`,
      why: `guest memory comes in pages of ${PAGE_BYTES} bytes, and there must be one`,
      fix: 'pick a multiple of 4K, such as --memory 1GiB',
    });
  }
  if (memoryBytes % folioBytes !== 0) {
    throw new UserError({
      what: `folios of ${folio} do not divide ${formatSize(memoryBytes)} of memory`,
      why: `${memoryBytes % folioBytes} bytes would be left over`,
      fix: `pick a multiple of ${formatSize(folioBytes)} with --memory, or --folio 4K`,
    });
  }
}

function checkCount(name: keyof typeof COUNTS_MAX, count: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= COUNTS_MAX[name]) return;
  throw new UserError({
    what: `--${name} ${count} is out of range`,
    why: `it has to be a whole number from 1 to ${COUNTS_MAX[name]}`,
    fix: `pick one in that range`,
  });
}
