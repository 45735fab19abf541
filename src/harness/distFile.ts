/** Where the compiled file of a module is: workers load JavaScript, also when the tests run the sources. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { UserError } from '../model/userError.ts';

/** Path of the compiled `name` of this folder, such as `worker`. @throws UserError where it was not built. */
export function harnessFile(name: string): string {
  const here = import.meta.url;
  const url = here.endsWith('.ts') ? new URL(`../../dist/src/harness/${name}.js`, here) : new URL(`./${name}.js`, here);
  const path = fileURLToPath(url);
  if (existsSync(path)) return path;
  throw new UserError({ what: 'foliobench is not built', why: `${path} does not exist`, fix: 'run npm run build' });
}
