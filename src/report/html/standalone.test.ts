import { describe, expect, test } from 'vitest';
import { standaloneSvg } from './standalone.ts';

describe('a chart as a picture of its own', () => {
  const svg = '<svg xmlns="x" role="img" aria-labelledby="c-t c-d" width="100" height="50" viewBox="0 0 100 50"><title id="c-t">t</title><desc id="c-d">d</desc><path d="M0,0h9"/></svg>';
  test('has room for its title and what it says, and both schemes', () => {
    const picture = standaloneSvg(svg, 'seen & said', ['in us']);
    expect(picture).toContain('<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="c-t c-d" width="140" height="141" viewBox="0 0 140 141"><title id="c-t">t</title><desc id="c-d">d</desc>');
    expect(picture).toContain('>seen &amp; said</text>');
    expect(picture).toContain('<g transform="translate(20,71)"><path d="M0,0h9"/></g>');
    expect(picture).toContain('prefers-color-scheme:dark');
  });
  test('is an error of a drawing without a size', () => expect(() => standaloneSvg('<svg>', 't', [])).toThrow('no size'));
});
