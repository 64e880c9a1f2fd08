/** What was found about one thing of the machine: it is fine, or there is a remedy. */
export interface Finding {
  check: string
  ok: boolean
  detail: string
  /** '' when it is fine */
  remedy: string
}

export function fine(check: string, detail: string): Finding {
  return { check, ok: true, detail, remedy: '' }
}

export function problem(check: string, detail: string, remedy: string): Finding {
  return { check, ok: false, detail, remedy }
}
