/** What a record varies: the parameters with several values for one workload under one label, as a sweep has them. */
import type { CellParams, FolioSize } from '../harness/experiment.ts';
import { labelOf } from '../harness/families/index.ts';
import type { ResultsRecord } from '../harness/record.ts';
import { VARIED, type Axis, type VariedName } from '../harness/sweep.ts';

/** Of a comparison: none. Values in the order of the plan. */
export function variedAxes({ experiment: { family, runs } }: Pick<ResultsRecord, 'experiment'>): readonly Axis[] {
  const places = new Map<string, CellParams[]>();
  for (const { workload, params } of runs) {
    const place = `${workload}\n${labelOf({ family, params })}\n${params.conversion}`;
    places.set(place, [...(places.get(place) ?? []), params]);
  }
  return (Object.keys(VARIED) as readonly VariedName[]).flatMap((name): readonly Axis[] => {
    const isVaried = [...places.values()].some((all) => new Set(all.map((params) => params[VARIED[name].field])).size > 1);
    if (!isVaried) return [];
    const values = new Set(runs.map(({ params }) => params[VARIED[name].field] ?? null).filter((value) => value !== null));
    return [{ name, values: [...values] }];
  });
}

export const valueOf = (params: CellParams, { name }: Axis): number | FolioSize | null => params[VARIED[name].field] ?? null;

/** Where along the axis a value lies; folio sizes lie where their bytes do. */
export const placeOf = (value: number | FolioSize): number => (typeof value === 'number' ? value : { '4K': 4096, '2M': 2 ** 21, '1G': 2 ** 30 }[value as string] ?? 0);
