import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { createStudentApi } from './student_age.ts'

const students = { alice: '12', bob: '13', 'zoë b': '9' }
const lines: string[] = []
let server: Server
let origin: string

before(async () => {
  const log = (line: string) => lines.push(line)
  server = createStudentApi({ username: 'toto', password: 'python', students, log })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
after(() => server.close())

async function get(path: string, credentials: string | undefined = 'toto:python', method = 'GET') {
  const headers: Record<string, string> =
    credentials === undefined || credentials === ''
      ? {}
      : { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }
  const response = await fetch(`${origin}${path}`, { headers, method })
  return { status: response.status, headers: response.headers, body: await response.json() }
}

describe('GET /pozos/api/v1.0/get_student_ages', () => {
  it('lists every student with their age', async () => {
    const { status, body, headers } = await get('/pozos/api/v1.0/get_student_ages')
    assert.equal(status, 200)
    assert.deepEqual(body, { student_ages: students })
    assert.match(headers.get('content-type') ?? '', /^application\/json/)
  })

  it('answers 401 as JSON without credentials, and asks for them', async () => {
    const { status, body, headers } = await get('/pozos/api/v1.0/get_student_ages', '')
    assert.equal(status, 401)
    assert.deepEqual(body, { error: 'Unauthorized access' })
    assert.match(headers.get('www-authenticate') ?? '', /^Basic /)
  })

  it('answers 401 to a wrong password', async () => {
    assert.equal((await get('/pozos/api/v1.0/get_student_ages', 'toto:java')).status, 401)
  })

  it('answers 405 to other methods', async () => {
    const { status } = await get('/pozos/api/v1.0/get_student_ages', 'toto:python', 'POST')
    assert.equal(status, 405)
  })
})

describe('GET /pozos/api/v1.0/get_student_ages/<name>', () => {
  it("gives one student's age", async () => {
    const { status, body } = await get('/pozos/api/v1.0/get_student_ages/bob')
    assert.equal(status, 200)
    assert.deepEqual(body, { bob: '13' })
  })

  it('takes names that need encoding', async () => {
    const { body } = await get(`/pozos/api/v1.0/get_student_ages/${encodeURIComponent('zoë b')}`)
    assert.deepEqual(body, { 'zoë b': '9' })
  })

  it('answers 404 as JSON for a student that is not there', async () => {
    for (const name of ['mallory', 'constructor', '%E0%A4%A']) {
      const { status, body } = await get(`/pozos/api/v1.0/get_student_ages/${name}`)
      assert.equal(status, 404)
      assert.deepEqual(body, { error: 'Not found' })
    }
  })

  it('answers 401 before it tells whether the student is there', async () => {
    assert.equal((await get('/pozos/api/v1.0/get_student_ages/mallory', '')).status, 401)
  })
})

describe('the rest', () => {
  it('answers 404 for any other path', async () => {
    assert.equal((await get('/')).status, 404)
  })

  it('logs a line a request, without credentials', async () => {
    await get('/pozos/api/v1.0/get_student_ages/alice')
    const line = lines.find(one => one.includes('/alice'))
    assert.match(line ?? '', /^GET \/pozos\/api\/v1\.0\/get_student_ages\/alice 200$/)
    assert.ok(!lines.join('\n').includes('python'))
  })
})
