/** Every family, in the order of the documents; the first is what a command is about that names none. To add one: its file, and its line here. */
import { conversion } from './conversion.ts';
import type { FamilyFacts } from './family.ts';
import { unsharing } from './unsharing.ts';
import { wpMarkers } from './wp-markers.ts';

export const families: readonly FamilyFacts[] = [conversion, unsharing, wpMarkers];
