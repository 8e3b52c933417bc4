import { expect, it } from 'vitest'
import { createTurnstile } from './turnstile.ts'

it('bounds who is inside and who waits, and passes places on, after failures too', async () => {
  const pass = createTurnstile({ inside: 2, waiting: 3 })
  const leave: (() => void)[] = []
  let inside = 0
  let most = 0
  const visit = (n: number) =>
    pass(async () => {
      most = Math.max(most, ++inside)
      await new Promise<void>(resolve => leave.push(resolve))
      inside--
      if (n === 1) throw new Error('fell')
      return n
    })
  const visits = [0, 1, 2, 3, 4, 5].map(n => visit(n).catch(error => error.code ?? error.message))
  expect(await visits[5]).toBe('unavailable')
  for (let n = 0; n < 5; n++) {
    leave.shift()!()
    await new Promise(resolve => setImmediate(resolve))
  }
  expect(await Promise.all(visits.slice(0, 5))).toEqual([0, 'fell', 2, 3, 4])
  expect(most).toBe(2)
})
