/** What readers need, measured in the page itself: contrast as WCAG asks for, and room for fingers. */

/** Texts with less contrast than AA asks for: 4.5, and 3 where letters are large. Runs in the browser, so it stands alone. */
export function contrasts(): string[] {
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true })!
  const read = (colour: string) => {
    context.clearRect(0, 0, 1, 1)
    context.fillStyle = colour
    context.fillRect(0, 0, 1, 1)
    return [...context.getImageData(0, 0, 1, 1).data]
  }
  const luminance = ([r, g, b]: number[]) => {
    const linear = [r, g, b].map((each) =>
      each <= 10 ? each / 255 / 12.92 : ((each / 255 + 0.055) / 1.055) ** 2.4,
    )
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
  }
  const ground = (element: Element | null): number[] => {
    if (element === null) return [255, 255, 255, 255]
    const colour = read(getComputedStyle(element).backgroundColor)
    return colour[3] === 255 ? colour : ground(element.parentElement)
  }
  const poor: string[] = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement as HTMLElement
    const text = walker.currentNode.textContent?.trim() ?? ''
    if (text === '' || element.offsetParent === null || element.closest('.skip, script, noscript')) continue
    const { color, fontSize, fontWeight } = getComputedStyle(element)
    const [light, dark] = [luminance(read(color)), luminance(ground(element))].sort((a, b) => b - a)
    const isLarge =
      Number.parseFloat(fontSize) >= 24 || (Number.parseFloat(fontSize) >= 18.5 && Number(fontWeight) >= 700)
    const ratio = (light + 0.05) / (dark + 0.05)
    if (ratio < (isLarge ? 3 : 4.5))
      poor.push(`${text.slice(0, 30)} (${element.className}): ${ratio.toFixed(2)}`)
  }
  return poor
}

/** What is to be touched and too low for a finger. Runs in the browser, too. */
export function cramped(): string[] {
  return [...document.querySelectorAll('button, input, select, a')]
    .map((each) => ({ name: each.className || each.id, box: each.getBoundingClientRect() }))
    .filter(({ box }) => box.height > 1 && box.right > 0 && box.height < 36)
    .map(({ name, box }) => `${name} ${box.height}`)
}
