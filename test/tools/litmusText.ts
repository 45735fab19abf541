/** Small litmus files for tests: a fast pin beside a conversion, about 2000 states. */

export interface LitmusParts {
  readonly name: string;
  /** Lines under `expect:`; default: proved. */
  readonly expect?: readonly string[];
  /** Whole lines before `expect:`. */
  readonly more?: readonly string[];
}

export const pinRace = ({ name, expect = [`'*': proved`], more = [] }: LitmusParts): string => `name: ${name}
question: Does a fast pin survive the conversion of its page?
source: mm/gup.c (gup_fast_pte_range)
world:
  pages: 1
before:
  - host: host write 0
threads:
  vcpu:
    - to-private 0
  host:
    - pin 0 as buffer short fast
    - unpin buffer
${more.map((line) => `${line}\n`).join('')}expect:
${expect.map((line) => `  ${line}\n`).join('')}`;

/** One thread, some hundred states: what the guest writes it reads. */
export const guestAlone = ({ name, expect = [`'*': proved`], more = [] }: LitmusParts): string => `name: ${name}
question: Does a guest read what it wrote?
source: virt/kvm/guest_memfd.c (kvm_gmem_fault)
world:
  pages: 1
threads:
  vcpu:
    - guest write 0 0xA
    - guest read 0 => 0xA
${more.map((line) => `${line}\n`).join('')}expect:
${expect.map((line) => `  ${line}\n`).join('')}`;
