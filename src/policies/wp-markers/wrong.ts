/**
 * Policies of the family that are wrong on purpose, one mistake each: an explorer that does not catch them is not to be trusted.
 */
import { pteMarker } from './pte-marker.ts';
import type { WpMarkerPolicy } from './policy.ts';

const wrong = (name: string, mistake: string, rules: Partial<ReturnType<WpMarkerPolicy['rules']>>): WpMarkerPolicy => ({
  ...pteMarker,
  name,
  summary: `wrong on purpose: ${mistake}`,
  choices: [],
  rules: (options) => ({ ...pteMarker.rules(options), ...rules }),
});

/** A fault between the two installs an entry without the bit, and the marker comes too late. Caught by litmus/wp-markers/zap-against-fault.litmus.yaml. */
export const markerLater = wrong('marker-later', 'the marker comes under the page-table lock, but not under the one that the entry was cleared under', { keepsLater: true });

/** The first walk holds no folio lock, so that a neighbour's fault maps the page again before it is truncated. Caught by litmus/wp-markers/punch-against-fault-around.litmus.yaml. */
export const punchDropsFirst = wrong('punch-drops-first', 'the first walk of a hole punch drops markers, and faults map around in armed windows', { punchKeeps: false, aroundArmed: true });

/** copy_page_range's rule for files as it was. Caught by litmus/wp-markers/fork-with-events.litmus.yaml. */
export const forkSkips = wrong('fork-skips', 'fork leaves the entries of an armed file to be filled by faults', { forkCopies: false });

export const wrongWpPolicies: readonly WpMarkerPolicy[] = [markerLater, punchDropsFirst, forkSkips];
