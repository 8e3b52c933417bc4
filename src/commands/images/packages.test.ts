import { describe, expect, it } from 'vitest'
import { Failure, Secret } from '../../lib/index.ts'
import { parsePlan } from './packages.ts'
import { namesOf, seedImages, standIns } from './seed.ts'

describe('parsePlan', () => {
  it('reads names, versions and architectures of what apt would install', () => {
    const text = [
      'NOTE: This is only a simulation!',
      'Inst libc6 (2.36-9+deb12u14 Debian:12.12/oldstable, Debian-Security:12/oldstable-security [amd64])',
      'Inst libdevmapper1.02.1 (2:1.02.185-2 Debian:12.12/oldstable [amd64]) []',
      'Inst adduser (3.134 Debian:12.12/oldstable [all])',
      'Conf libc6 (2.36-9+deb12u14 Debian:12.12/oldstable [amd64])',
    ].join('\n')
    expect(parsePlan(text)).toEqual([
      { name: 'libc6', version: '2.36-9+deb12u14', architecture: 'amd64' },
      { name: 'libdevmapper1.02.1', version: '2:1.02.185-2', architecture: 'amd64' },
      { name: 'adduser', version: '3.134', architecture: 'all' },
    ])
  })
})

describe('the stand-ins', () => {
  it('cover what the sample and the documentation name, each once', () => {
    const names = standIns().flatMap(namesOf)
    for (const name of [
      'docker:latest',
      'docker:dind',
      'docker:cli',
      'node:24-slim',
      'python:3.11-slim',
      'debian:bookworm-slim',
      'busybox:latest',
      'wingrunr21/alpine-heroku-cli:latest',
    ])
      expect(names).toContain(name)
    expect(new Set(names).size).toBe(names.length)
  })

  it('refuses an unknown name and tells the known ones', async () => {
    const options = {
      server: { origin: 'http://127.0.0.1:1', token: new Secret('x') },
      cacheDirectory: '/nonexistent/never-made',
      only: ['nod'],
    }
    const failure = await seedImages(options).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(Failure)
    expect((failure as Failure).message).toBe('no stand-in is made for nod')
    expect((failure as Failure).hint).toContain('node:24-slim')
  })
})
