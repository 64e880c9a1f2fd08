/** Those who look: Prometheus every second, a viewer of the live stream, a browser with the page, and captures. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Child } from '../compare/child.ts'
import type { Ground } from '../compare/ground.ts'
import type { Sample } from '../compare/metric.ts'
import { root } from '../compare/root.ts'
import { median } from '../compare/summary.ts'
import { type Watcher, watched } from './measure.ts'
import { get, network, type ObserveJoint } from './site.ts'

const everyMs = 1000
/** Scrapes of a switch that has nothing else to do. */
const idleScrapes = 20
const endMs = 10_000

/** The value that 99 of a hundred do not exceed. */
export function p99(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length * 0.99) - 1]
}

async function prometheus(_ground: Ground, { socket }: ObserveJoint): Promise<Watcher> {
  const scrape = async () => (await get(socket, '/metrics')).ms
  const idle: number[] = []
  for (let n = 0; n < idleScrapes; n++) idle.push(await scrape())
  const loaded: number[] = []
  let timer: NodeJS.Timeout | undefined
  let last: Promise<unknown> = Promise.resolve()
  const look = () => {
    last = scrape().then((ms) => loaded.push(ms))
  }
  return {
    open: async () => {
      look()
      timer = setInterval(look, everyMs)
    },
    close: async () => {
      clearInterval(timer)
      await last
    },
    figures: () => ({
      ...{ scrapeIdle: median(idle), scrapeIdleP99: p99(idle) },
      ...{ scrapeLoaded: median(loaded), scrapeLoadedP99: p99(loaded) },
    }),
  }
}

async function viewer(ground: Ground, { socket }: ObserveJoint): Promise<Watcher> {
  let child: Child | null = null
  const url = `http://bridgeport/v1/live?interval=${everyMs}&flows=20`
  return {
    open: async () => {
      child = ground.spawn('curl', ['-sN', '-o', '/dev/null', '--unix-socket', socket, url])
    },
    close: async () => child?.stop(),
  }
}

/** It runs at nice 19: on a desk it has a machine of its own. */
async function browser(ground: Ground, { page: url }: ObserveJoint): Promise<Watcher> {
  const { chromium } = await import('playwright-core')
  const wrapper = join(ground.folder, 'chromium')
  const inside = ['setpriv', '--pdeathsig', 'KILL', 'ip', 'netns', 'exec', ground.s]
  writeFileSync(wrapper, `#!/bin/sh\nexec ${inside.join(' ')} nice -n 19 chromium "$@"\n`, { mode: 0o755 })
  const running = await chromium.launch({
    executablePath: wrapper,
    args: ['--no-sandbox', '--disable-gpu'],
    ...{ handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false },
  })
  const page = await running.newPage()
  return {
    open: async () => {
      await page.goto(url)
    },
    close: async () => {
      await page.goto('about:blank')
    },
    leave: () => running.close(),
  }
}

/** What `bridgeport capture` says in the end. */
export function told(output: string): { frames: number; lost: number } {
  const [, frames, lost] = /(\d+) frames captured, (\d+) lost/.exec(output) ?? []
  if (frames === undefined) throw new Error(`capture: ${output.trim().split('\n').at(-1)}`)
  return { frames: Number(frames), lost: Number(lost) }
}

/** Waits until the switch says that it records. */
async function recording(child: Child, socket: string, signal: AbortSignal): Promise<void> {
  while (!/^bridgeport_captures 1$/m.test((await get(socket, '/metrics')).text)) {
    if (child.ended) throw new Error(`capture: ${child.output.trim()}`)
    await sleep(100, undefined, { signal })
  }
}

function capturing(filter: string[]): (ground: Ground, joint: ObserveJoint) => Promise<Watcher> {
  return async (ground, { socket }) => {
    let child: Child | null = null
    let began = 0
    const seen = { frames: 0, lost: 0, seconds: 0 }
    const words = [join(root, 'bin/bridgeport.js'), 'capture', '--socket', socket, '-w', '/dev/null', network]
    return {
      open: async () => {
        child = ground.spawn(process.execPath, [...words, ...filter])
        await recording(child, socket, ground.signal)
        began = performance.now()
      },
      close: async () => {
        if (child === null) return
        seen.seconds += (performance.now() - began) / 1000
        child.kill('SIGTERM')
        const { frames, lost } = told(await child.finish(endMs))
        seen.frames += frames
        seen.lost += lost
      },
      figures: (): Sample => {
        if (filter.length > 0) return {}
        const all = seen.frames + seen.lost
        return { captured: all / seen.seconds / 1000, capturedLost: (100 * seen.lost) / Math.max(all, 1) }
      },
    }
  }
}

/** An address that nobody has. */
const nobody = ['host', '203.0.113.77']

export const scrape = watched('scrape', 'scrapeShare', {}, prometheus)
export const live = watched('live', 'liveShare', { curl: 'curl' }, viewer)
export const page = watched('page', 'pageShare', { chromium: 'chromium' }, browser)
export const capture = watched('capture', 'captureShare', {}, capturing([]))
export const filter = watched('filter', 'filterShare', {}, capturing(nobody))
