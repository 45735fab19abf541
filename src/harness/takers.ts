/**
 * Parameters that only some workloads take. Where a user names another workload, the parameter would change nothing and is refused;
 * a default run has only those that take it.
 */
import { UserError } from '../model/userError.ts';
import type { StreamWorkload } from '../workloads/streams.ts';
import type { CellParams } from './experiment.ts';

type Taken = 'ioHoldUs' | 'convertShare';

interface Taking {
  readonly option: string;
  readonly takes: (workload: StreamWorkload, params: CellParams) => boolean;
  /** What a workload lacks that does not take it. */
  readonly lacks: (params: CellParams) => string;
}

const TAKING: Readonly<Record<Taken, Taking>> = {
  ioHoldUs: {
    option: 'io-hold-us',
    takes: ({ holdsIo }, { io = 'direct', dma = 'pool' }) => holdsIo?.({ io, dma }) === true,
    lacks: ({ dma }) => `has no short I/O that pins pages${dma === 'direct' ? ' with --dma direct' : ''}`,
  },
  convertShare: {
    option: 'convert-share',
    takes: ({ drawsConversions }) => drawsConversions === true,
    lacks: () => 'does not draw conversions as a share of its accesses',
  },
};

/** The first parameter of the cell that would change nothing about the workload's streams. */
export function paramNotTaken(workload: StreamWorkload, params: CellParams): Taken | undefined {
  return (Object.keys(TAKING) as readonly Taken[]).find((name) => params[name] !== undefined && !TAKING[name].takes(workload, params));
}

/** Names the workloads that do take it under the same parameters. */
export function refusalOf(name: Taken, { name: workload }: StreamWorkload, params: CellParams, workloads: readonly StreamWorkload[]): UserError {
  const { option, takes, lacks } = TAKING[name];
  const takers = workloads.filter((other) => takes(other, params)).map((other) => other.name);
  const isBuffered = name === 'ioHoldUs' && params.io === 'buffered';
  return new UserError({
    what: `--${option} does not go with ${isBuffered ? '--io buffered' : workload}`,
    why: isBuffered ? 'buffered I/O copies, and holds no page' : `${workload} ${lacks(params)}`,
    fix: takers.length > 0 ? `name those that do with --workload: ${takers.join(', ')}` : isBuffered ? 'leave --io buffered away' : `leave --${option} away`,
  });
}
