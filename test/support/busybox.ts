import { existsSync, readFileSync } from 'node:fs'
import { pack } from 'tar-stream'
import type { Engine, ImageInfo } from '../../src/engine/index.ts'

/** Debian's package busybox-static: one static binary, so an image can be made with no registry in reach. */
const binaries = ['/usr/bin/busybox', '/bin/busybox']

/** A root file system with busybox and its usual commands, as tar. */
export function busyboxRoot(): AsyncIterable<Uint8Array> {
  const file = binaries.find(one => existsSync(one))
  if (file === undefined) throw new Error('This test needs the package busybox-static.')
  const tar = pack()
  for (const name of ['bin', 'tmp', 'root', 'etc'])
    tar.entry({ name: `${name}/`, type: 'directory', mode: name === 'tmp' ? 0o1777 : 0o755 })
  tar.entry({ name: 'bin/busybox', mode: 0o755 }, readFileSync(file))
  tar.entry(
    { name: 'etc/passwd' },
    'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n',
  )
  for (const name of commands)
    tar.entry({ name: `bin/${name}`, type: 'symlink', linkname: 'busybox' })
  tar.finalize()
  return tar as AsyncIterable<Uint8Array>
}

const commands = (
  'sh ash cat echo env false true sleep ls mkdir rm cp mv ln id wc head tail dd cut grep sed sort tr touch chmod chown date hostname ' +
  'httpd nc wget nslookup ping mount df du free kill ps pwd printf test seq stat sync tar gzip gunzip sha256sum uname vi which whoami xargs yes'
).split(' ')

/** Imports busybox under that reference. */
export function importBusybox(engine: Engine, reference: string): Promise<ImageInfo> {
  return engine.importImage(busyboxRoot(), reference, [
    'ENV PATH=/bin',
    'CMD ["sh"]',
    'EXPOSE 8080/tcp',
  ])
}
