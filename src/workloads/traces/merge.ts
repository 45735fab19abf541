/** Several trace files read as one stream in order of time, each record handed to the one who knows its file. */
import type { TraceRecords } from './format.ts';
import type { TraceReader } from './reader.ts';

export interface Source {
  readonly reader: TraceReader;
  readonly take: (records: TraceRecords, i: number) => void;
}

/** A source and where reading it has got to. */
interface Lane extends Source {
  records: TraceRecords | null;
  at: number;
  ended: boolean;
}

export class MergedTraces {
  /** Recorded time of the last record that was handed on. */
  readNs = 0;
  /** All records were handed on. */
  ended = false;

  private readonly lanes: readonly Lane[];
  private advancing: Promise<void> | null = null;

  /** On the same tick, the earlier source comes first. */
  constructor(sources: readonly Source[]) {
    this.lanes = sources.map(({ reader, take }) => ({ reader, take, records: null, at: 0, ended: false }));
  }

  /**
   * Hands on records until one of the files has to be read further. Whoever calls while it is under way waits for the same;
   * after damage, every further call is told of it.
   * @throws UserError with file, line and reason
   */
  advance(): Promise<void> {
    this.advancing ??= this.handOn();
    return this.advancing;
  }

  close(): void {
    for (const { reader } of this.lanes) reader.close();
  }

  private async handOn(): Promise<void> {
    try {
      for (const lane of this.lanes) await refill(lane);
      for (let lane = earliest(this.lanes); lane?.records; lane = earliest(this.lanes)) {
        this.readNs = lane.records.tNs[lane.at];
        lane.take(lane.records, lane.at++);
        if (lane.at === lane.records.count) break;
      }
      this.ended = this.lanes.every(({ ended }) => ended);
    } catch (error) {
      this.close();
      throw error;
    }
    this.advancing = null;
  }
}

async function refill(lane: Lane): Promise<void> {
  if (lane.ended || (lane.records !== null && lane.at < lane.records.count)) return;
  lane.records = await lane.reader.read();
  lane.at = 0;
  lane.ended = lane.records === null;
}

/** The lane whose next record is the oldest; every lane has a record or has ended. */
function earliest(lanes: readonly Lane[]): Lane | null {
  let best: Lane | null = null;
  let bestNs = Infinity;
  for (const lane of lanes) {
    if (lane.records === null || lane.records.tNs[lane.at] >= bestNs) continue;
    best = lane;
    bestNs = lane.records.tNs[lane.at];
  }
  return best;
}
