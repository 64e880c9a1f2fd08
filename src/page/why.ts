/** The why box: what would happen to a packet, hook by hook. Nothing is sent. */
import type { WhyRow } from '../control/why.ts'
import { element } from './dom.ts'
import { get } from './poll.ts'
import { go, type View } from './view.ts'
import { walk } from './walk.ts'
import type { World } from './world.ts'

const EXAMPLE = 'tcp 10.0.2.15:40000 > 198.51.100.1:443'

export class Why implements View {
  readonly name = 'why'
  readonly title = 'Why'
  readonly element: HTMLElement
  readonly search: HTMLInputElement
  private readonly world: World
  private readonly port = element('select', { 'aria-label': 'port or network that it comes in by' })
  private readonly answer = element('div', { 'aria-live': 'polite' })
  private names = ''
  /** the port that the question is about, also before it is known that there is one */
  private chosen = ''

  constructor(world: World) {
    this.world = world
    this.search = element('input', {
      type: 'text',
      placeholder: EXAMPLE,
      'aria-label': 'packet',
      class: 'question',
    })
    this.search.spellcheck = false
    this.search.autocomplete = 'off'
    const ask = element('button', { type: 'submit', class: 'primary' }, 'Ask')
    const form = element('form', { class: 'bar' }, this.search, this.port, ask)
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      this.ask()
    })
    this.port.addEventListener('change', () => {
      this.chosen = this.port.value
    })
    const forms = ['tcp A:PORT > B:PORT', 'udp A:PORT > B:PORT', 'icmp A > B', 'PROTOCOL A > B']
    const hint = element('p', { class: 'note' }, 'Asks what would happen to a packet now; nothing is sent. ')
    for (const text of forms) hint.append(element('code', {}, text), ' ')
    this.element = element('div', {}, form, hint, this.answer)
  }

  /** The address has the question, so that an answer can be passed on. */
  open(rest: string): void {
    this.fill()
    if (rest === '') return
    const [flow, port = ''] = rest.split(' @ ')
    this.search.value = flow
    this.chosen = port
    this.port.value = port
    void this.tell(flow)
  }

  close(): void {}

  draw(): void {
    this.fill()
  }

  private ask(): void {
    const flow = this.search.value.trim()
    if (flow === '') return
    const question = this.chosen === '' ? flow : `${flow} @ ${this.chosen}`
    if (location.hash === `#why/${encodeURIComponent(question)}`) void this.tell(flow)
    else go('why', question)
  }

  /** The choice of ports; it stays what it was while they come and go. */
  private fill(): void {
    const networks = this.world.networks().map(({ name }) => name)
    const ports = networks.flatMap((name) => this.world.portsOf(name).map((port) => port.name))
    const names = [...networks, ...ports].join(' ')
    if (names === this.names) return
    this.names = names
    const option = (name: string) => element('option', { value: name }, name)
    this.port.replaceChildren(
      element('option', { value: '' }, 'any port'),
      element('optgroup', { label: 'ports' }, ...ports.map(option)),
      element('optgroup', { label: 'networks' }, ...networks.map(option)),
    )
    this.port.value = this.chosen
  }

  private async tell(flow: string): Promise<void> {
    const by = this.chosen === '' ? '' : `&port=${encodeURIComponent(this.chosen)}`
    try {
      const row = await get<WhyRow>(`/v1/why?flow=${encodeURIComponent(flow)}${by}`)
      this.answer.replaceChildren(walk(row))
    } catch (error) {
      this.answer.replaceChildren(element('p', { class: 'refusal', role: 'alert' }, (error as Error).message))
    }
  }
}
