import { expect, it } from 'vitest'
import { answerFor, failureFor, readQuestion } from './dns.ts'

/** A query as resolvers send it: one question, recursion desired. */
function query(name: string, type = 1): Buffer {
  const labels = name.split('.').flatMap(label => [label.length, ...Buffer.from(label)])
  const head = [0xab, 0xcd, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]
  return Buffer.from([...head, ...labels, 0, 0, type, 0, 1])
}
const names = new Set(['api.heroku.com'])

it('answers its names with its address, whatever their case', () => {
  const reply = answerFor(query('API.Heroku.com'), names, '172.18.0.2')!
  expect(reply.readUInt16BE(0)).toBe(0xabcd)
  expect(reply.readUInt16BE(2)).toBe(0x8580)
  expect(reply.readUInt16BE(6)).toBe(1)
  expect([...reply.subarray(-4)]).toEqual([172, 18, 0, 2])
})

it('has no other records of its names, and nothing on other names', () => {
  const reply = answerFor(query('api.heroku.com', 28), names, '172.18.0.2')!
  expect([reply.readUInt16BE(6), reply.readUInt16BE(2) & 0xf]).toEqual([0, 0])
  expect(answerFor(query('www.heroku.com'), names, '172.18.0.2')).toBeUndefined()
})

it('says SERVFAIL for a question, and nothing to what is none', () => {
  expect(failureFor(query('a.b'))!.readUInt16BE(2) & 0xf).toBe(2)
  for (const bad of [
    Buffer.alloc(0),
    Buffer.alloc(11),
    Buffer.alloc(64, 0xff),
    query('a').subarray(0, 14),
  ])
    expect([readQuestion(bad), failureFor(bad)]).toEqual([undefined, undefined])
})
