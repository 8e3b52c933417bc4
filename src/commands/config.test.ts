import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { environmentName, exampleFile, flagName, loadConfig } from './config.ts'

const directory = mkdtempSync(path.join(tmpdir(), 'slipway-config-'))
afterAll(() => rmSync(directory, { recursive: true }))

function written(content: string): string {
  const file = path.join(directory, `${content.length}.yml`)
  writeFileSync(file, content)
  return file
}

describe('loadConfig', () => {
  it('has a default for everything', () => {
    const config = loadConfig({ flags: {}, env: {} })
    expect(config.listen).toEqual({ host: '127.0.0.1', port: 10080 })
    expect(config.rootPassword).toBeUndefined()
  })

  it('lets flags win over the environment, and that over the file', () => {
    const file = written('data: /from-file\nlogLevel: warn\nrunnerConcurrency: 7\n')
    const config = loadConfig({
      flags: { data: '/from-flag' },
      env: { SLIPWAY_DATA: '/from-env', SLIPWAY_LOG_LEVEL: 'error' },
      file,
    })
    expect([config.data, config.logLevel, config.runnerConcurrency]).toEqual([
      '/from-flag',
      'error',
      7,
    ])
  })

  it('names every mistake at once and says what was meant', () => {
    const file = written('lsiten: 1\n')
    const load = () =>
      loadConfig({
        flags: { listen: 'nowhere' },
        env: { SLIPWAY_DTAA: 'x', SLIPWAY_INTERCEPT: 'gitlab' },
        file,
      })
    expect(load).toThrow(/SLIPWAY_DTAA: did you mean SLIPWAY_DATA\?/)
    expect(load).toThrow(/lsiten: did you mean listen\?/)
    expect(load).toThrow(/--listen must be HOST:PORT.*"nowhere"/)
    expect(load).toThrow(/knows heroku and dockerhub, not gitlab/)
  })

  it('never shows a secret, not even a bad one', () => {
    expect(() => loadConfig({ flags: {}, env: { SLIPWAY_ROOT_TOKEN: 'short!' } })).toThrow(
      /^((?!short!).)*$/s,
    )
    const config = loadConfig({ flags: {}, env: { SLIPWAY_ROOT_PASSWORD: 'hunter22hunter22' } })
    expect(JSON.stringify(config)).not.toContain('hunter22')
  })

  it('says where a file is broken', () => {
    expect(() => loadConfig({ flags: {}, env: {}, file: written('data: [1\n') })).toThrow(/line/)
    expect(() => loadConfig({ flags: {}, env: {}, file: '/nowhere.yml' })).toThrow(/nowhere/)
  })
})

describe('exampleFile', () => {
  it('stands in the repository as the settings say', () => {
    // after a change: node tools/config-example.ts
    expect(readFileSync(new URL('../../slipway.example.yml', import.meta.url), 'utf8')).toBe(
      exampleFile(),
    )
  })

  it('is valid when everything in it is switched on', () => {
    const content = exampleFile()
      .replace(/^#(\w+: ".*)$/gm, '$1')
      .replace('rootToken: "…"', `rootToken: "${'t'.repeat(20)}"`)
    expect(Object.keys(parse(content))).toContain('listen')
    expect(loadConfig({ flags: {}, env: {}, file: written(content) }).logLevel).toBe('info')
  })
})

describe('names', () => {
  it('follow from the key', () => {
    expect([environmentName('rootPassword'), flagName('rootPassword')]).toEqual([
      'SLIPWAY_ROOT_PASSWORD',
      '--root-password',
    ])
  })
})
