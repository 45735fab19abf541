/** Counterexamples of unsafe policies: what is violated, then a column a thread, then the command that replays it. */
import type { FoundCounterexample } from '../../harness/counterexamples.ts';
import { counterexampleParts } from '../counterexample.ts';
import { escapeHtml, idOf } from './markup.ts';

/** One as an article with its own heading. */
export function htmlCounterexample({ verdict, counterexample, replay, brokenFiles }: FoundCounterexample): string {
  const { title, findings, threads, rows, leftOut } = counterexampleParts(verdict, counterexample);
  const id = idOf('counterexample', verdict.policy, verdict.check ?? '');
  const others = brokenFiles - 1;
  const caption = `The steps, a column a thread, time runs down${others > 0 ? `; ${others} more litmus file${others === 1 ? ' breaks' : 's break'} this policy` : ''}`;
  return [
    `<article aria-labelledby="${id}">`,
    `<h3 id="${id}">${escapeHtml(title)}</h3>`,
    `<dl>${findings.map(([label, text]) => `<dt>${escapeHtml(label)}</dt><dd>${escapeHtml(text)}</dd>`).join('')}</dl>`,
    `<div class="scroll" role="region" aria-label="${escapeHtml(`steps: ${title}`)}" tabindex="0"><table class="trace">`,
    `<caption>${escapeHtml(caption)}</caption>`,
    `<thead><tr><th scope="col">#</th>${threads.map((thread) => `<th scope="col">${escapeHtml(thread)}</th>`).join('')}</tr></thead>`,
    '<tbody>',
    ...rows.map((cells, nth) => `<tr><th scope="row">${nth + 1}</th>${cells.map((text) => (text === '' ? '<td></td>' : `<td class="step">${stepText(text)}</td>`)).join('')}</tr>`),
    '</tbody></table></div>',
    ...leftOut.map((sentence) => `<p class="caption">${escapeHtml(sentence)}</p>`),
    `<pre class="command" tabindex="0"><code>${escapeHtml(replay)}</code></pre>`,
    '</article>',
  ].join('\n');
}

/** The operation that begins stands out, and so does how it ends. */
function stepText(text: string): string {
  return escapeHtml(text)
    .replace(/^((?:\[[^\]]*\] ?)+)/, '<b>$1</b>')
    .replace(/=&gt; (.+)$/, '<b>⇒ $1</b>');
}
