/** The workloads of the family `wp-markers`, in the order of the documents. To add one: its file, and its line here. */
import type { Workload } from '../workload.ts';
import { dirtyTracking } from './dirtyTracking.ts';
import { forkServer } from './forkServer.ts';
import { holePunch } from './holePunch.ts';
import { numaBalancing } from './numaBalancing.ts';
import { snapshot } from './snapshot.ts';
import { sparseDatabase } from './sparseDatabase.ts';

export const wpMarkerWorkloads: readonly Workload[] = [snapshot, dirtyTracking, holePunch, forkServer, numaBalancing, sparseDatabase];
