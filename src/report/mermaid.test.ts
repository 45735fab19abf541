/** Sequence diagrams of counterexamples, and that each line is one that Mermaid reads. */
import { describe, expect, test } from 'vitest';
import { PIN_BETWEEN_CHECK_AND_UNMAP, counterexampleOf } from '../../test/tools/traceText.ts';
import type { Counterexample } from '../explore/verdict.ts';
import { sequenceDiagram } from './mermaid.ts';
import { traceRows } from './traceRows.ts';

const diagram = (counterexample: Counterexample): string => sequenceDiagram(counterexample, traceRows(counterexample, { locks: false }));

/** Text of a message or a note: no `;` or `#` but in an entity, no `:`, and no tag but a line break. */
const TEXT = String.raw`(?:[^#;:<>\n]|#\d+;|<br/>)+`;
const STATEMENT = new RegExp(`^    (?:participant T\\d+ as ${TEXT}|Note over T\\d+(?:,T\\d+)?: ${TEXT}|T\\d+-?->>T\\d+: ${TEXT})$`);

function malformed(text: string): readonly string[] {
  const [head, ...lines] = text.trimEnd().split('\n');
  return [...(head === 'sequenceDiagram' ? [] : [head]), ...lines.filter((line) => !STATEMENT.test(line))];
}

describe('the sequence diagram of a race', () => {
  test('has messages for steps, between threads where one asks and another answers, and notes for what they changed', () => {
    expect(diagram(counterexampleOf(PIN_BETWEEN_CHECK_AND_UNMAP))).toMatchInlineSnapshot(`
      "sequenceDiagram
          participant T0 as vcpu
          participant T1 as host
          Note over T0: to-private 0 begins
          T0->>T0: folio.lookupGet, folio.readRef, folio.put
          Note over T0: refcount of page 0#58; 2 -#62; 3 -#62; 2
          T0->>T0: ptl.lock
          Note over T1: pin 0 as a short fast begins
          T1->>T1: irq.off
          Note over T1: interrupts off
          T1->>T1: folio.tryGet, folio.addPin
          Note over T1: refcount of page 0#58; 2 -#62; 3 -#62; 1026 (pinned)
          T1->>T1: pte.reread
          T0->>T0: pte.clear
          Note over T0: PTE of page 0 cleared (stale TLB)
          T0->>T0: rmap.remove
          Note over T0: mapcount of page 0#58; 1 -#62; 0
          T0->>T1: tlb.send<br/>asks host to flush
          T1->>T1: irq.on
          Note over T1: buffer a holds page 0 (pin)<br/>interrupts on
          T1-->>T0: ack(vcpu)<br/>flushes its TLB for vcpu
          T0->>T0: tlb.wait
          Note over T0: PTE of page 0 flushed
          T0->>T0: gather.put
          Note over T0: refcount of page 0#58; 1026 -#62; 1025
          T0->>T0: seq.begin
          Note over T0: stage-2 invalidation begins
          T0->>T0: state.store
          Note over T0: page 0 becomes private
          Note over T0,T1: violated - from the commit of a to-private to that of the next to-shared nothing but the guest can reach the page's data<br/>page 0 is private and within reach by (c) a reference whose holder may touch data
      "
    `);
  });

  test('is well-formed, whatever the names and sentences', () => {
    expect(malformed(diagram(counterexampleOf(PIN_BETWEEN_CHECK_AND_UNMAP)))).toEqual([]);
    const odd = counterexampleOf('a#1 step [x; y: <b>]: content of page 0: 0x0 -> 0xA; asks b;2 to flush => 0xB\nb;2 ack(a#1): flushes its TLB for a#1\nb;2 up', {
      threads: ['a#1', 'b;2', 'idle'], sentence: 'one; two: #3', what: 'a -> b',
    });
    expect(malformed(diagram(odd))).toEqual([]);
    expect(diagram(odd)).toMatchInlineSnapshot(`
      "sequenceDiagram
          participant T0 as a#35;1
          participant T1 as b#59;2
          Note over T0: x#59; y#58; #60;b#62; begins
          T0->>T1: step<br/>asks b#59;2 to flush
          Note over T0: content of page 0#58; 0x0 -#62; 0xA
          Note over T0: ends in 0xB
          T1-->>T0: ack(a#35;1)<br/>flushes its TLB for a#35;1
          T1->>T1: up
          Note over T0,T1: violated - one#59; two#58; #35;3<br/>a -#62; b
      "
    `);
  });

  test('of no step still says what is violated', () => {
    expect(diagram(counterexampleOf('', { sentence: 'it can happen', what: 'it never does' }))).toBe('sequenceDiagram\n    participant T0 as vcpu\n    Note over T0: violated - it can happen<br/>it never does\n');
  });

  test('of a replay without a violation ends with its last step', () => {
    expect(diagram(counterexampleOf('host a [unpin a] => OK', { rule: '', sentence: '', what: '' }))).toBe(
      'sequenceDiagram\n    participant T1 as host\n    Note over T1: unpin a begins\n    Note over T1: ends in OK\n',
    );
  });

  test('is noticed where a line is not one of Mermaid', () => {
    expect(malformed('sequenceDiagram\n    Note over T0: a; b\n    T0->>T1: fine\n    T0: x\n')).toEqual(['    Note over T0: a; b', '    T0: x']);
  });
});
