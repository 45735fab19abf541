/** What some workloads take beside what every one does, and what they say of it; another one leaves these fields away. */
import type { Workload, WorkloadOptions } from './workload.ts';

export interface StreamOptions extends WorkloadOptions {
  /** Conversions in per cent of a steady guest's accesses. Absent: as the workload has it. */
  readonly convertShare?: number;
}

export interface StreamWorkload extends Workload {
  /** Whether its streams have `Io` accesses under these options, so that how long a device holds a buffer makes a difference. Absent: never. */
  readonly holdsIo?: (options: Pick<WorkloadOptions, 'io' | 'dma'>) => boolean;
  /** It draws conversions as a share of its accesses, so that `convertShare` is for it. */
  readonly drawsConversions?: true;
}
