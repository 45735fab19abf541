/** A process that touches a private page of a guest_memfd and dies by it. It ends with 0 where there is none, and with 1 where it lived on. */
import { MapFlag, PAGE_BYTES, Protection } from './abi.ts';
import { openBacking } from './backing.ts';
import { openLibc } from './libc.ts';
import { createScope } from './scope.ts';

/** RLIMIT_CORE: who dies here leaves no file behind. */
const CORE_LIMIT = 4;

const libc = await openLibc();
libc.setrlimit(CORE_LIMIT, new BigUint64Array(2));
const fd = openBacking(libc, createScope(), undefined).backing.createPrivateFile(1);
if (fd === null) process.exit(0);
const page = libc.view(libc.mmap(0, PAGE_BYTES, Protection.ReadWrite, MapFlag.Shared, fd, 0), PAGE_BYTES);
process.exit(page[0] === 0 ? 1 : 2);
