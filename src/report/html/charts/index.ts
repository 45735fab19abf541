/** Which charts a family has, in the order of the page. One without charts of its own has the figures of its tables as bars. */
import type { ResultsRecord } from '../../../harness/record.ts';
import type { Axis } from '../../../harness/sweep.ts';
import { reportOf } from '../../families/index.ts';
import type { Group } from '../../rows.ts';
import type { Figure } from '../figure.ts';
import { blockFigure, bystandersFigure, memoryFigure, refusalsFigure, rmapFigure } from './counts.ts';
import { latencyFigure } from './latency.ts';
import { phasesFigure } from './phases.ts';
import { sweepFigures } from './sweep.ts';

export interface ChartSection {
  readonly id: string;
  readonly heading: string;
  readonly figures: (group: Group) => readonly (Figure | null)[];
  /** What is said where there is nothing to draw. */
  readonly without: string;
}

export function chartsOf({ experiment: { family } }: ResultsRecord, axes: readonly Axis[]): readonly ChartSection[] {
  if (family !== 'conversion') {
    const { blocks } = reportOf(family);
    return [{ id: 'figures', heading: 'Figures', figures: (group) => blocks.map((block, nth) => blockFigure(group, block, nth + 1)), without: 'There is no cell with figures.' }];
  }
  return [
    ...(axes.length === 0 ? [] : [{ id: 'sweep', heading: 'Along the sweep', figures: (group: Group) => sweepFigures(group, axes), without: 'No row has figures at two values of what is varied.' }]),
    { id: 'latency', heading: 'Latency', figures: (group) => [latencyFigure(group)], without: 'Nothing was converted to private: there is no latency to show.' },
    { id: 'phases', heading: 'Phases', figures: (group) => [phasesFigure(group)], without: 'No conversion succeeded: there is nothing to divide into phases.' },
    { id: 'rmap', heading: 'Rmap and TLB', figures: (group) => [rmapFigure(group)], without: 'Nothing was asked to convert: no rmap was walked for it.' },
    { id: 'refusals', heading: 'Signals and refusals', figures: (group) => [refusalsFigure(group)], without: 'There is no cell with figures.' },
    { id: 'bystanders', heading: 'Bystanders', figures: (group) => [bystandersFigure(group)], without: 'Nothing was asked to convert: nobody stood by.' },
    { id: 'memory', heading: 'Memory', figures: (group) => [memoryFigure(group)], without: 'There is no cell with figures.' },
  ];
}
