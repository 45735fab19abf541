/** The policies of the family `unsharing`, in the order of the mail that names them. */
import { failToPin } from './fail-to-pin.ts';
import { ignoreAndPin } from './ignore-and-pin.ts';
import type { UnsharingPolicy } from './policy.ts';
import { unshareAndPin } from './unshare-and-pin.ts';

export const unsharingPolicies: readonly UnsharingPolicy[] = [ignoreAndPin, failToPin, unshareAndPin];
