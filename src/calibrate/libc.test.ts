import { describe, expect, test } from 'vitest';
import { UserError } from '../model/userError.ts';
import { openLibc } from './libc.ts';

const mistakeOf = (opening: Promise<unknown>): Promise<UserError> => opening.then(() => expect.unreachable('it opened'), (error: UserError) => error);

describe('a machine that cannot be measured is told what is missing, why it matters and what still works', () => {
  test.each(['darwin', 'win32'])('on %s', async (platform) => {
    const { what, why, fix } = await mistakeOf(openLibc(platform));
    expect(what).toBe(`foliobench cannot measure on ${platform}`);
    expect(why).toBe(`prices come from Linux's guest_memfd or memfd, which ${platform} does not have`);
    expect(fix).toContain('compare, explore and all other commands work without it');
  });

  test('without koffi', async () => {
    const mistake = await mistakeOf(openLibc('linux', () => Promise.reject(new Error("Cannot find package 'koffi'\nand more"))));
    expect(mistake).toBeInstanceOf(UserError);
    expect(mistake.why).toBe("the optional package koffi cannot be loaded: Cannot find package 'koffi'");
    expect(mistake.fix).toContain('npm install koffi');
  });

  test('with pages of another size', async () => {
    const library = { func: (definition: string) => () => (definition.includes('getpagesize') ? 65536 : 0) };
    const koffi = { load: () => library, proto: () => null, decode: () => () => 0, errno: () => 0, view: () => new ArrayBuffer(0) };
    expect((await mistakeOf(openLibc('linux', () => Promise.resolve(koffi)))).what).toBe('foliobench cannot measure with pages of 65536 bytes');
  });
});
