/** What a front-end did that no front-end may do; its connection ends, and `message` says to an operator what it was. */
export class Violation extends Error {}
