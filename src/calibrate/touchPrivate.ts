/** A process that touches a private page of a guest_memfd and dies by it. It ends with 0 where there is none, and with 1 where it lived on. */
import { CORE_LIMIT, MapFlag, NO_CORE, PAGE_BYTES, Protection } from './abi.ts';
import { openBacking } from './backing.ts';
import { openLibc } from './libc.ts';
import { createScope } from './scope.ts';

const libc = await openLibc();
// Who dies here leaves no file behind.
libc.setrlimit(CORE_LIMIT, NO_CORE);
const fd = openBacking(libc, createScope(), undefined).backing.createPrivateFile(1);
if (fd === null) process.exit(0);
const page = libc.view(libc.mmap(0, PAGE_BYTES, Protection.ReadWrite, MapFlag.Shared, fd, 0), PAGE_BYTES);
process.exit(page[0] === 0 ? 1 : 2);
