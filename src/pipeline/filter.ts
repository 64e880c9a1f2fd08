/**
 * Filters of captures: classic BPF (McCanne and Jacobson 1993, Linux's Documentation/networking/filter.rst), as libpcap compiles its language,
 * made into functions.
 */

/** Whether a frame of `length` bytes at offset `at` of the arena is wanted: 0 if not. */
export type Filter = (at: number, length: number) => number
