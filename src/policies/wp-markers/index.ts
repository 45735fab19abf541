/** The policies of the family `wp-markers`, in the order of the documents: the bug, what became of it, what was thought of, and each with faults that map around. */
import { drop, dropAround } from './drop.ts';
import type { WpMarkerPolicy } from './policy.ts';
import { protnoneAround, protnoneZeroPage } from './protnone-zero-page.ts';
import { pteMarker, pteMarkerAround } from './pte-marker.ts';

export const wpMarkerPolicies: readonly WpMarkerPolicy[] = [drop, pteMarker, protnoneZeroPage, dropAround, pteMarkerAround, protnoneAround];
