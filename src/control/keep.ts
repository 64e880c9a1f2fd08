/** Rules and sets that come in the place of their files' are kept in the state folder; what cannot be kept is not in force either. */
import type { Loaded } from './load.ts'
import type { Restoring } from './rules.ts'
import type { Sets, Turn } from './sets.ts'
import type { Switch } from './switch.ts'
import * as written from './written.ts'

export async function keepRules(fabric: Switch, loaded: Loaded, text: string, how: Restoring): Promise<void> {
  const { configuration, rules } = loaded
  const before = configuration.rules
  const whole = await fabric.restoreRules(text, how)
  try {
    configuration.rules = written.keep('rules', whole, rules.digest, configuration.state)
  } catch (error) {
    await fabric.restoreRules(before?.text ?? '')
    throw error
  }
}

export async function keepSets(
  sets: Sets,
  { configuration, sets: file }: Loaded,
  act: (sets: Sets) => Promise<Turn>,
): Promise<void> {
  const turn = await act(sets)
  try {
    const whole = sets.snapshot()
    configuration.sets = written.keep('sets', whole, file.digest, configuration.state)
    sets.adopt(whole)
  } catch (error) {
    await turn.undo()
    throw error
  }
  turn.settle()
}
