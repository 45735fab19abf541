/** What a record comes to, in a few sentences; every figure in them is computed from the record. */
import type { CostProfile } from '../../simulate/costs.ts';
import type { ResultsRecord } from '../../harness/record.ts';
import type { Group } from '../rows.ts';
import { refusalsFigure } from './charts/counts.ts';
import { latencyFigure } from './charts/latency.ts';
import { phasesFigure } from './charts/phases.ts';
import { priceFigure } from './charts/prices.ts';
import { safetyFinding } from './verdicts.ts';

/** Of the first label, which is how guests run today where the record has it. */
export function keyFindings({ cells, experiment: { family } }: ResultsRecord, groups: readonly Group[], profile: CostProfile | undefined): readonly string[] {
  const [first] = groups;
  if (first === undefined || !cells.some(({ status }) => status === 'ok')) return ['No cell of this record has figures.'];
  const ofConversions = family === 'conversion' ? [latencyFigure(first)?.finding, phasesFigure(first)?.finding, refusalsFigure(first)?.finding] : [];
  const sentences = [...ofConversions, profile === undefined ? undefined : priceFigure(first, profile)?.finding];
  return [safetyFinding(first.rows), ...sentences.filter((sentence) => sentence !== undefined).map(withStop)];
}

const withStop = (sentence: string): string => (sentence.endsWith('.') ? sentence : `${sentence}.`);
