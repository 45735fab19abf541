/** The mails that several policies come from. */

/** David Hildenbrand lists three ways: SIGBUS in the fault, `folio_mmapped()`, no mmap while any page is private. */
export const FOLIO_MMAPPED_MAIL = 'linux-mm, "Re: folio_mmapped", 27 Feb 2024: http://mail.spinics.net/lists/linux-mm/msg375254.html';
/** Quentin Perret and David Hildenbrand on fixed buffers, lazy donation, and which signal. */
export const LAZY_DONATION_MAIL = 'linux-mm, "Re: folio_mmapped", 28 Feb 2024';
/** David Hildenbrand, Sean Christopherson and Jason Gunthorpe on GUP, and on 4K folios over a gigantic page. */
export const EXCLUSIVE_PIN_MAIL =
  'linux-mm, "Re: [PATCH RFC 0/5] mm/gup: Introduce exclusive GUP pinning", 20 Jun 2024: https://lore.kernel.org/linux-mm/53d1e7c5-3e77-467b-be33-a618c3bb6cb3@redhat.com/';
/** Ackerley Tng and others: memory of the hugetlb pool for guest_memfd, split where it is shared. */
export const GIGANTIC_SERIES = 'linux-kvm, "[RFC PATCH v2 00/51] 1G page support for guest_memfd", 14 May 2025';
/** Ackerley Tng, Sean Christopherson and others: what is on its way upstream. */
export const IN_PLACE_SERIES = 'linux-kvm, "[PATCH v7 00/42] guest_memfd: In-place conversion support", 22 May 2026';
/** Fuad Tabba: three states of a page, and a callback at the last put. */
export const PUT_CALLBACK_SERIES =
  'linux-kvm, "[RFC PATCH v5 00/15] KVM: Restricted mapping of guest_memfd at the host and arm64 support", 17 Jan 2025: https://lore.kernel.org/all/20250117163001.2326672-1-tabba@google.com/';
