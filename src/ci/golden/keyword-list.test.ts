import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { defaultKeys } from '../entries/default.ts'
import { bridgeKeys, jobKeys } from '../entries/job.ts'

const folder = new URL('.', import.meta.url)
const doc = readFileSync(new URL('../../../docs/ci-keywords.md', folder), 'utf8')
const rows = [...doc.matchAll(/^\| `([^`]+)` \| ([^|]+) \| (.+) \|$/gm)].map(row => ({
  keyword: row[1]!,
  state: row[2]!,
  title: row[3]!,
}))
const listed = new Set(rows.map(row => row.keyword))
const titles = new Set(
  readdirSync(folder)
    .filter(name => name.endsWith('.case'))
    .flatMap(name => [...readFileSync(new URL(name, folder), 'utf8').matchAll(/^### (.*)$/gm)])
    .map(match => match[1]),
)

describe('docs/ci-keywords.md', () => {
  // schema-keywords.txt: the key paths of GitLab's JSON schema for CI files, job keywords without prefix.
  it('lists every keyword that the schema knows', () => {
    const known = readFileSync(new URL('schema-keywords.txt', folder), 'utf8').trim().split('\n')
    expect(known.filter(keyword => !listed.has(keyword))).toEqual([])
  })

  it('lists every keyword that the compiler accepts', () => {
    const accepted = [...jobKeys, ...bridgeKeys, ...defaultKeys]
    expect(accepted.filter(keyword => !listed.has(keyword))).toEqual([])
  })

  it('names a state and a golden case that exists for each', () => {
    const states = ['works', 'planned', 'no effect', 'refused']
    expect(rows.filter(row => !states.includes(row.state))).toEqual([])
    expect(rows.filter(row => !titles.has(row.title))).toEqual([])
    expect(rows.length).toBeGreaterThan(200)
  })
})
