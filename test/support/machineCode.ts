/** Machine code on the machine that runs the tests, for those that need some; they are skipped, with the reason in their name, where there is none. */
import { openLibc } from '../../src/calibrate/libc.ts';
import type { Libc } from '../../src/calibrate/libc.ts';
import { openRoutines } from '../../src/calibrate/machineCode.ts';
import type { Routines } from '../../src/calibrate/machineCode.ts';
import { createScope } from '../../src/calibrate/scope.ts';
import type { Scope } from '../../src/calibrate/scope.ts';
import { UserError } from '../../src/model/userError.ts';

const opened = await openLibc().catch((error: unknown) => (error instanceof UserError ? error.what : String(error)));
const routines = typeof opened === 'string' ? opened : openRoutines(opened, createScope());

export const hasMachineCode = typeof routines !== 'string';
/** For the name of what is skipped. */
export const withoutMachineCode = typeof routines === 'string' ? ` (skipped: ${routines})` : '';

export const libcHere = (): Libc => opened as Libc;
export const routinesHere = (scope: Scope): Routines => openRoutines(libcHere(), scope) as Routines;
