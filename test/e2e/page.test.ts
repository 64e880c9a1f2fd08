/** The page in Chromium, before a real switch with real traffic. `PICTURES=docs` also writes README's pictures there. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { contrasts, cramped } from '../lab/audit.ts'
import { browse, listen } from '../lab/browser.ts'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, pause } from '../lab/command.ts'
import { crowd, pageOf, setOf } from '../lab/multitude.ts'
import { suite } from '../lab/peer.ts'
import { photograph } from '../lab/picture.ts'
import { HOSTILE, Scene, WORLD } from '../lab/scene.ts'

const ORIGIN = 'http://127.0.0.1:9477'
const SECTIONS = ['plan', 'ports', 'drops', 'flows', 'leases', 'macs', 'published', 'rules', 'sets', 'why']
const WALK = `why/udp 10.0.2.17:4000 > ${WORLD}:9999`
const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true }
const pictures = process.env.PICTURES

suite('the page', ['chromium', 'iperf3'], () => {
  let scene: Scene
  let browser: Browser
  let page: Page
  let complaints: string[]

  beforeAll(async () => {
    scene = await Scene.open()
    await scene.enliven()
    browser = await browse(scene.host)
    page = await open()
    complaints = listen(page, ORIGIN)
    await page.goto(ORIGIN)
  })
  afterAll(async () => {
    await browser?.close()
    cleanup()
  })

  /** A page of a context of its own. */
  async function open(options: Parameters<Browser['newPage']>[0] = {}): Promise<Page> {
    const fresh = await browser.newPage({ viewport: { width: 1440, height: 900 }, ...options })
    fresh.setDefaultTimeout(10_000)
    return fresh
  }

  const live = (where = page) => where.waitForSelector('html[data-link=live]')
  const go = (name: string, where = page) => where.evaluate((hash) => void (location.hash = hash), name)
  const text = (selector: string, where = page) => where.locator(selector).first().innerText()
  const row = (words: string) => page.locator('tbody tr', { hasText: words }).first()

  it('shows who is plugged in where, and what flows', async () => {
    await live()
    const networks = page.locator('.network h2')
    expect((await networks.allInnerTexts()).sort()).toEqual(['default', 'lab', 'office', 'storage'])
    const disk = page.locator('.socket', { hasText: 'disk1' })
    await disk.locator('.in', { hasText: /^[\d.]+ Mbit\/s/ }).waitFor()
    expect(await disk.getAttribute('data-flow')).toMatch(/[34]/)
    expect(await text('.socket:has-text("vm2") .who')).toBe('no guest is connected')
    await page
      .locator('.socket', { hasText: 'vm3' })
      .locator('.who', { hasText: /^connected$/ })
      .waitFor()
    expect(await text('.socket:has-text("web") .address')).toBe('10.0.2.15/24')
    const way = page.locator('.network', { hasText: 'default' }).first().locator('.stop b')
    expect(await way.allInnerTexts()).toEqual(['10.0.2.2', 'up0', 'outside'])
    expect(await text('#facts')).toMatch(/traffic\s+[\d.]+ Mbit\/s/)
  })

  it('narrows the picture to what is looked for', async () => {
    await page.locator('.plan input').fill('10.0.2.16')
    await expect.poll(() => page.locator('.socket b').allInnerTexts()).toEqual(['db'])
    await page.locator('.plan input').fill('')
    await page.getByRole('button', { name: 'Fold all' }).click()
    await expect.poll(() => page.locator('.lamp').count()).toBe(13)
    await page.getByRole('button', { name: 'Open all' }).click()
  })

  it('draws what a port did', async () => {
    await page.locator('.jack', { hasText: 'web' }).click()
    await page.locator('.detail h2', { hasText: 'web' }).waitFor()
    expect(await page.locator('.detail canvas').count()).toBe(3)
    await expect.poll(() => text('.detail .u-legend')).toMatch(/out\s*[\d.]+ Mbit\/s/)
    expect(await text('.facts-of')).toMatch(/address\s+10\.0\.2\.15\/24/)
    const received = async () => (await row('disk1').innerText()).split('\t')[9]
    const before = await received()
    await expect.poll(received, { timeout: 10_000 }).not.toBe(before)
  })

  it('says what drops mean', async () => {
    await go('drops')
    const dropped = row('rule_dropped')
    await expect.poll(() => dropped.innerText()).toContain('a rule or the policy of a chain dropped it')
    await dropped.locator('.chip', { hasText: 'build' }).waitFor()
    await expect.poll(() => dropped.locator('td').nth(2).innerText()).toMatch(/^[1-9]/)
  })

  it('finds a flow, and asks about it', async () => {
    await go('flows')
    await row(`→ ${WORLD}:5201`).waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('udp 10.0.2.15 :5202')
    await expect.poll(() => page.locator('tbody tr').count()).toBe(1)
    expect(await row('5202').innerText()).toMatch(/udp.*as 192\.0\.2\.10:\d+/s)
    await page.locator('.pick').click()
    await page.locator('.verdict[data-verdict=passes]').waitFor()
    expect(await page.locator('.question').inputValue()).toMatch(/^udp 10\.0\.2\.15:\d+ > 192\.0\.2\.1:5202$/)
    expect(await text('.walk')).toContain('conntrack')
  })

  it('answers why', async () => {
    await page.locator('.question').fill(`udp 10.0.2.17:4000 > ${WORLD}:9999`)
    await page.locator('select').selectOption('build')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Ask' }).click()
    await page.locator('.verdict[data-verdict=dropped]').waitFor()
    expect(await text('.verdict')).toMatch(/rule_dropped.*FORWARD/s)
    expect(await text('.walk')).toContain(HOSTILE)
    expect(decodeURIComponent(await page.evaluate(() => location.hash))).toMatch(/@ build$/)
    await page.reload()
    await page.locator('.verdict[data-verdict=dropped]').waitFor()
    await expect.poll(() => page.locator('select').inputValue()).toBe('build')
    await page.locator('.question').fill('what?')
    await page.getByRole('button', { name: 'Ask' }).click()
    expect(await text('.refusal')).toMatch(/what\?/)
    // The refusal is an answer: the browser notes its status, nothing is wrong with the page.
    complaints.splice(0, complaints.length, ...complaints.filter((each) => !each.includes('409')))
  })

  it('counts what rules do', async () => {
    await go('rules')
    await expect
      .poll(() => row(HOSTILE).locator('td').nth(5).innerText(), { timeout: 10_000 })
      .toMatch(/^[1-9].*\/s/)
    await page.locator('.bar input').fill('no mail')
    await expect.poll(() => page.locator('tbody tr').count()).toBe(1)
    await page.locator('.bar input').fill('')
  })

  it('shows sets, their entries, and whether one is among them', async () => {
    await go('sets')
    await row('doors').waitFor()
    await row('guests').locator('.pick').click()
    const says = (hasText: string) => page.locator('.detail .summary', { hasText }).waitFor()
    await says('2 entries')
    await page.locator('.question').fill('10.0.2.99')
    await page.keyboard.press('Enter')
    await says('10.0.2.99 is not in guests.')
    for (const _ of ['what was written', 'the set']) await page.keyboard.press('Escape')
    await page.locator('.detail').waitFor({ state: 'hidden' })
  })

  it('lists leases, MACs, neighbours and published ports; a host name is text, whatever it says', async () => {
    const stranger = { address: '10.0.2.30', mac: '52:54:00:00:00:30', network: 'default', port: 'vm1' }
    const told = { ...stranger, hostname: HOSTILE, kind: 'dynamic', client: null, expires: null }
    await page.route('**/v1/leases', (route) => route.fulfill({ json: [told] }))
    await go('leases')
    await row(HOSTILE).waitFor()
    await go('plan')
    await page.locator('.socket', { hasText: 'vm1' }).locator('.who').waitFor()
    await page.unroute('**/v1/leases')
    await go('macs')
    await row('10.20.0.20').or(row('02:')).first().waitFor()
    await go('published')
    await row('*:8080').waitFor()
    expect(await page.evaluate(() => ['broken' in window, document.querySelectorAll('img').length])).toEqual([
      false,
      0,
    ])
  })

  it('is walked by keyboard alone', async () => {
    const at = (name: string) => page.waitForSelector(`#tab-${name}[aria-selected=true]`)
    for (const [n, name] of SECTIONS.entries()) {
      await page.locator('#panel').focus()
      await page.keyboard.press(String((n + 1) % 10))
      await at(name)
      await page.keyboard.press('/')
      expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('INPUT')
      await page.keyboard.press('Escape')
    }
    await page.keyboard.press('ArrowRight')
    await at('plan')
    await page.keyboard.press('2')
    await at('ports')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    await page.locator('.detail h2', { hasText: 'bench' }).waitFor()
    await page.keyboard.press('Escape')
    await page.locator('.detail').waitFor({ state: 'hidden' })
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('bench')
    await page.keyboard.press('?')
    await page.locator('dialog[open]').waitFor()
    await page.keyboard.press('Escape')
    await page.locator('dialog[open]').waitFor({ state: 'detached' })
  })

  it('is light and dark, readable in both, and remembers the choice', async () => {
    const isDark = () =>
      page.evaluate(() => getComputedStyle(document.body).backgroundColor === 'rgb(14, 17, 22)')
    expect(await isDark()).toBe(false)
    for (const dark of [false, true]) {
      if (dark) await page.keyboard.press('t')
      expect(await isDark()).toBe(dark)
      for (const section of ['plan', 'ports/web', 'drops', 'rules', WALK]) {
        await go(section)
        await pause(100)
        expect(await page.evaluate(contrasts), `${section}, dark: ${dark}`).toEqual([])
      }
    }
    await page.reload()
    expect(await isDark()).toBe(true)
    await page.keyboard.press('t')
    expect(await isDark()).toBe(false)
  })

  it('fits a phone', async () => {
    const phone = await open({ ...PHONE, reducedMotion: 'reduce' })
    await phone.goto(ORIGIN)
    await live(phone)
    for (const section of [...SECTIONS, 'ports/web', WALK]) {
      await go(section, phone)
      await pause(100)
      expect(await phone.evaluate(() => document.documentElement.scrollWidth), section).toBe(360)
      expect(await phone.evaluate(cramped), section).toEqual([])
    }
    expect(await phone.evaluate(() => document.getAnimations().length)).toBe(0)
    await phone.close()
  })

  it('holds 20 networks, 300 ports, 10,000 rules and a set of more', async () => {
    const many = await open()
    await many.route('**/v1/live*', (route) =>
      route.fulfill({ contentType: 'text/event-stream', body: crowd(20, 300) }),
    )
    await many.route('**/v1/rules?*', (route) =>
      route.fulfill({ json: pageOf(10_000, new URL(route.request().url())) }),
    )
    await many.goto(ORIGIN)
    await expect.poll(() => many.locator('.lamp').count()).toBe(300)
    await many.locator('input').fill('vm299')
    await expect.poll(() => many.locator('.socket').count()).toBe(1)
    await go('rules', many)
    await expect.poll(() => many.locator('tbody tr').count()).toBe(200)
    await many.locator('.more').click()
    await expect.poll(() => many.locator('tbody tr').count()).toBe(400)
    await many.locator('input').fill('10.9.39.15')
    await expect.poll(() => many.locator('tbody tr').count()).toBe(1)
    await many.route('**/v1/sets?*', (route) => route.fulfill({ json: [setOf(12_345, 10_000)] }))
    await go('sets/guests', many)
    await many.locator('.summary', { hasText: 'the first 10\u202f000 of 12\u202f345 entries' }).waitFor()
    expect(await many.locator('.detail tbody tr').count()).toBe(200)
    await many.close()
  })

  it('asks for nothing while nobody looks', async () => {
    const aside = await open()
    const show = (state: string) =>
      aside.evaluate((visibility) => {
        Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => visibility })
        document.dispatchEvent(new Event('visibilitychange'))
      }, state)
    await aside.clock.install()
    await aside.goto(ORIGIN)
    await live(aside)
    await show('hidden')
    await aside.clock.fastForward(61_000)
    await aside.waitForSelector('html[data-link=paused]')
    const asked: string[] = []
    aside.on('request', (request) => asked.push(request.url()))
    await pause(1500)
    expect(asked).toEqual([])
    await show('visible')
    await live(aside)
    await aside.close()
  })

  if (pictures)
    it('has its picture taken', { timeout: 200_000 }, async () => {
      await photograph(page, await open({ viewport: { width: 390, height: 844 }, hasTouch: true }), pictures)
    })

  it('says that the switch is gone, and goes on when it is there again', async () => {
    expect(complaints).toEqual([])
    await go('plan')
    await live()
    await scene.daemon.stop()
    await page.waitForSelector('html[data-link=lost]')
    expect(await text('#notice')).toMatch(/does not answer.*from \d\d:\d\d:\d\d/)
    await scene.daemon.up()
    await live()
    expect(await text('#notice')).toMatch(/restarted/)
    const frames = () => text('.socket:has-text("probe") .in')
    await eventually('traffic is seen again', async () => !(await frames()).startsWith('0'))
  })
})
