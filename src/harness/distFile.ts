/** Where the compiled file of a module is: workers load JavaScript, also when the tests run the sources. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { UserError } from '../model/userError.ts';

/** Of a compiled file, from src/ on, such as `policies/api.js`. */
export function distUrl(file: string): URL {
  const here = import.meta.url;
  return here.endsWith('.ts') ? new URL(`../../dist/src/${file}`, here) : new URL(`../${file}`, here);
}

/** Path of the compiled `name` of this folder, such as `worker`. @throws UserError where it was not built. */
export function harnessFile(name: string): string {
  const path = fileURLToPath(distUrl(`harness/${name}.js`));
  if (existsSync(path)) return path;
  throw new UserError({ what: 'foliobench is not built', why: `${path} does not exist`, fix: 'run npm run build' });
}
