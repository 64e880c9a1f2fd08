/** The pictures of the page that the README shows. */
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { pause } from './command.ts'

/** Until lines are full, and until charts have something of a port. */
const FULL_MS = 100_000
const SOME_MS = 3000

export async function photograph(page: Page, phone: Page, folder: string): Promise<void> {
  const take = (where: Page, name: string) => where.screenshot({ path: join(folder, `page-${name}.png`) })
  const go = (name: string) => page.evaluate((hash) => void (location.hash = hash), name)
  await go('plan')
  await phone.goto(page.url())
  await pause(FULL_MS)
  await take(page, 'light')
  await take(phone, 'phone')
  await page.keyboard.press('t')
  await take(page, 'dark')
  await go('ports/web')
  await pause(SOME_MS)
  await take(page, 'charts')
  await page.keyboard.press('t')
  await phone.close()
}
