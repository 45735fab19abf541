/** The families beside conversions, in the order of the documents. To add one: its file, and its line here. */
import type { SimulatedFamily } from '../family.ts';
import { unsharingFamily } from './unsharing.ts';
import { wpMarkersFamily } from './wp-markers.ts';

export const simulatedFamilies: readonly SimulatedFamily[] = [unsharingFamily, wpMarkersFamily];
