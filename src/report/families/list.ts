/** The report of each family, in the order of the documents. To add one: its file, and its line here. */
import { conversionReport } from './conversion.ts';
import type { FamilyReport } from './family.ts';
import { unsharingReport } from './unsharing.ts';
import { wpMarkersReport } from './wp-markers.ts';

export const familyReports: readonly FamilyReport[] = [conversionReport, unsharingReport, wpMarkersReport];
