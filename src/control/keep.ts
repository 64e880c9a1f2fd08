/** Rules and sets that come in the place of their files' are kept in the state folder; what cannot be kept is not in force either. */
import type { Loaded } from './load.ts'
import { dated } from './roll.ts'
import type { Restoring } from './rules.ts'
import type { Sets, Turn } from './sets.ts'
import type { Switch } from './switch.ts'
import * as written from './written.ts'

export async function keepRules(fabric: Switch, loaded: Loaded, text: string, how: Restoring): Promise<void> {
  const { configuration, rules } = loaded
  const whole = await fabric.restoreRules(text, how)
  try {
    configuration.rules = written.keep('rules', whole, rules.digest, configuration.state)
  } catch (error) {
    // The configuration still has those from before.
    await fabric.apply(configuration)
    throw error
  }
}

/** Single changes are added to what is kept, so that a large set is not written for each; behind so many bytes all is written anew. */
const ADDED_MAX = 2 ** 16

export async function keepSets(
  sets: Sets,
  { configuration, sets: file }: Loaded,
  act: (sets: Sets) => Promise<Turn>,
): Promise<void> {
  const { state, sets: before } = configuration
  const turn = await act(sets)
  try {
    const isKept = before?.path === written.pathIn(state, 'sets') && before.text.endsWith('\n')
    if (turn.line !== '' && isKept && sets.added < ADDED_MAX) {
      const line = dated(turn.line)
      written.append('sets', line, state)
      configuration.sets = { path: before.path, text: before.text + line }
      sets.added += line.length
    } else {
      configuration.sets = written.keep('sets', dated(sets.save()), file.digest, state)
      sets.added = 0
    }
    sets.adopt(configuration.sets.text)
  } catch (error) {
    await turn.undo()
    throw error
  }
  turn.settle()
}
