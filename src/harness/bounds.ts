/** Which parameters can be built at all: checked before any work, so that a run does not fail in its last cell. */
import { WINDOWS_MAX } from '../model/shape.ts';
import { UserError } from '../model/userError.ts';
import { CPUS_MAX } from '../simulate/prepare.ts';
import { CONVERT_SHARE_MAX } from '../workloads/synthetic/steadyGuest.ts';
import { FOLIO_ORDERS, type CellParams } from './experiment.ts';
import type { FamilyFacts } from './families/index.ts';
import { formatSize, PAGE_BYTES } from './sizes.ts';

/** Most of each count that the columns of a world can hold; a process has an 8-bit id, and a forked child needs one too. The largest guest has 1 TiB; a request to an NVMe drive is given up after 30 s (nvme_io_timeout, drivers/nvme/host/core.c). */
const COUNTS_MAX = { vcpus: CPUS_MAX, processes: 255, vmas: WINDOWS_MAX >> 1, requestPages: 1 << 28, ioHoldUs: 30_000_000 } as const;
/** In per cent. Shares are drawn in 1/65536 of the accesses, which would round a smaller one by more than 1 in 100. */
const CONVERT_SHARE_MIN = 0.1;
/** As the command line calls them. */
const OPTIONS: Readonly<Record<keyof typeof COUNTS_MAX, string>> = { vcpus: 'vcpus', processes: 'processes', vmas: 'vmas', requestPages: 'request-pages', ioHoldUs: 'io-hold-us' };

/** What can be said before the workload is opened; what its actors ask for comes after that (`checkRoom` of the family). @throws UserError for parameters that no world can have */
export function checkParams(params: CellParams, { checkRoom }: FamilyFacts): void {
  for (const name of Object.keys(COUNTS_MAX) as (keyof typeof COUNTS_MAX)[]) checkCount(name, params[name]);
  checkShare(params);
  checkMemory(params);
  checkRoom(params, []);
}

const folioBytesOf = ({ folio = '4K' }: CellParams): number => PAGE_BYTES << FOLIO_ORDERS[folio];

/** Whether the memory is a number of whole folios. */
export const folioDivides = (params: CellParams): boolean => params.memoryBytes % folioBytesOf(params) === 0;

function checkMemory(params: CellParams): void {
  const { memoryBytes, folio = '4K' } = params;
  const folioBytes = folioBytesOf(params);
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

function checkShare({ convertShare }: CellParams): void {
  if (convertShare === undefined || (convertShare >= CONVERT_SHARE_MIN && convertShare <= CONVERT_SHARE_MAX)) return;
  throw new UserError({
    what: `--convert-share ${convertShare} is out of range`,
    why: `it is in per cent, from ${CONVERT_SHARE_MIN} to ${CONVERT_SHARE_MAX}: the other accesses of a steady guest are those of its host and its I/O`,
    fix: 'pick one in that range, such as --convert-share 2',
  });
}

function checkCount(name: keyof typeof COUNTS_MAX, count: number | undefined): void {
  if (count === undefined || (Number.isInteger(count) && count >= 1 && count <= COUNTS_MAX[name])) return;
  throw new UserError({
    what: `--${OPTIONS[name]} ${count} is out of range`,
    why: `it has to be a whole number from 1 to ${COUNTS_MAX[name]}`,
    fix: `pick one in that range`,
  });
}
