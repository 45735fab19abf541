/** The workloads of the family `unsharing`, in the order of the documents. To add one: its file, and its line here. */
import type { Workload } from '../workload.ts';
import { forkServer } from './forkServer.ts';
import { hugePages } from './hugePages.ts';
import { manyChildren } from './manyChildren.ts';
import { memoryPressure } from './memoryPressure.ts';
import { rdmaReader } from './rdmaReader.ts';
import { registeredBuffers } from './registeredBuffers.ts';
import { restoredImage } from './restoredImage.ts';
import { snapshotByFork } from './snapshotByFork.ts';
import { vmsplicePipe } from './vmsplicePipe.ts';

export const unsharingWorkloads: readonly Workload[] = [
  forkServer, snapshotByFork, registeredBuffers, rdmaReader, restoredImage, vmsplicePipe, manyChildren, hugePages, memoryPressure,
];
