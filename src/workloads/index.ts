/** The workloads that foliobench ships with: recorded guests by name or path. */
export { checkTrace, openTrace, traceNames } from './traces/trace.ts';
