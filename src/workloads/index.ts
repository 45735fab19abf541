/**
 * The workloads that foliobench ships with: synthetic patterns in the order of the documents, and recorded guests by name
 * or path. To add a pattern: its file under synthetic/, and its line here.
 */
import { balloon } from './synthetic/balloon.ts';
import { bounceRing } from './synthetic/bounceRing.ts';
import { converters } from './synthetic/converters.ts';
import { dmaStorm } from './synthetic/dmaStorm.ts';
import { fixedBuffers } from './synthetic/fixedBuffers.ts';
import { hotSet } from './synthetic/hotSet.ts';
import { kexec } from './synthetic/kexec.ts';
import { manyMappings } from './synthetic/manyMappings.ts';
import { misbehavingVmm } from './synthetic/misbehavingVmm.ts';
import { pingPong } from './synthetic/pingPong.ts';
import { readOnlyRing } from './synthetic/readOnlyRing.ts';
import { sequential } from './synthetic/sequential.ts';
import { sparseSharing } from './synthetic/sparseSharing.ts';
import { strided } from './synthetic/strided.ts';
import { uniform } from './synthetic/uniform.ts';
import { zipf } from './synthetic/zipf.ts';
import type { Workload } from './workload.ts';

export { allConvert } from './synthetic/allConvert.ts';
export { standardMix } from './synthetic/standardMix.ts';
export { checkTrace, openTrace, traceNames } from './traces/trace.ts';

export const workloads: readonly Workload[] = [
  sequential,
  uniform,
  zipf,
  hotSet,
  strided,
  bounceRing,
  balloon,
  kexec,
  pingPong,
  sparseSharing,
  dmaStorm,
  fixedBuffers,
  manyMappings,
  misbehavingVmm,
  converters,
  readOnlyRing,
];
