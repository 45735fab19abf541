/** Which parameters can be built at all: checked before any work, so that a run does not fail in its last cell. */
import { UserError } from '../model/userError.ts';
import { FOLIO_ORDERS, type CellParams } from './experiment.ts';
import { formatSize } from './sizes.ts';

export const PAGE_BYTES = 4096;
/** Page-table entries of the host are one column, and V8 of Node 20 allows this many elements in a typed array. */
const ENTRY_COUNT_MAX = 0x1_0000_0000;

/** Most of each count that the columns of a world can hold. */
const COUNTS_MAX = { vcpus: 256, processes: 256, vmas: 65_530 } as const;

/** @throws UserError for parameters that no world can have. */
export function checkParams(params: CellParams): void {
  for (const name of ['vcpus', 'processes', 'vmas'] as const) checkCount(name, params[name]);
  checkMemory(params);
  const pageCount = params.memoryBytes / PAGE_BYTES;
  const windowCount = params.processes * params.vmas;
  if (pageCount * windowCount > ENTRY_COUNT_MAX) {
    throw new UserError({
      what: `${formatSize(params.memoryBytes)} under ${windowCount} mappings is too large`,
      why: `${pageCount} pages x ${windowCount} mappings are ${pageCount * windowCount} page-table entries, at most ${ENTRY_COUNT_MAX} fit`,
      fix: 'use a smaller --memory, fewer --vmas or fewer --processes',
    });
  }
}

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
