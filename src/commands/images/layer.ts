import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, readFileSync } from 'node:fs'
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { sha256 } from '../../lib/index.ts'
import type { Packages, UnpackedPackage } from './packages.ts'
import { type RootfsSpec, rootfs } from './rootfs.ts'
import { busyboxFrom } from './skeleton.ts'

/** How one layer of a stand-in is made; the same recipe on the same machine gives the same layer. */
export interface LayerRecipe {
  name: string
  /** The layer below; what its packages bring is not brought again. */
  on?: LayerRecipe
  /** System packages, with what they depend on. */
  packages?: readonly string[]
  /** Packages of that closure that stay out, by name. */
  omit?: RegExp
  /** Paths that stay out, without leading slash. */
  skip?: RegExp
  /** A lowest layer: the directories, users and CA bundle that every system has. */
  skeleton?: boolean
  files?: RootfsSpec['files']
  /** Directories of this machine. */
  trees?: readonly { path: string; from: string; skip?: RegExp }[]
  links?: RootfsSpec['links']
  directories?: RootfsSpec['directories']
  /** More files out of the packages themselves. */
  derive?: (packages: readonly UnpackedPackage[]) => Promise<NonNullable<RootfsSpec['files']>>
  /** What else the layer depends on and the recipe doesn't show: the version of a program of this machine, or of `derive`. */
  stamp?: string
}

/** A layer as a gzipped tar on disk. */
export interface Layer {
  path: string
  sizeBytes: number
  /** Of the gzipped file and of the tar in it. */
  digest: string
  diffId: string
}

/** Documentation, translations and what only an installed system needs: no image has use for it. */
const neverWanted =
  /^(usr\/share\/(doc|man|info|lintian|bug|locale|bash-completion|zsh|fish|doc-base)\/|usr\/lib\/systemd\/|lib\/(systemd|udev)\/|etc\/(init\.d|default)\/)/

/** A name for exactly this recipe: what the cache finds a layer by. */
export function recipeId(recipe: LayerRecipe): string {
  const seen = (_key: string, value: unknown) => {
    if (value instanceof RegExp) return String(value)
    if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
    return typeof value === 'function' ? undefined : value
  }
  return sha256(`${system()}\n${JSON.stringify(recipe, seen)}`).slice(0, 16)
}

/** Another system brings other packages. */
function system(): string {
  const release = readFileSync('/etc/os-release', { encoding: 'utf8', flag: 'r' })
  return `${/^VERSION_ID=.*$/m.exec(release)?.[0]} ${/^ID=.*$/m.exec(release)?.[0]} ${process.arch}`
}

/** The layer from the cache, or made now. Several processes may make the same one: the last wins, with the same bytes. */
export async function layerOf(
  recipe: LayerRecipe,
  options: { directory: string; packages: Packages; signal?: AbortSignal },
): Promise<Layer> {
  const path = join(options.directory, `${recipe.name}-${recipeId(recipe)}.tar.gz`)
  const known = await readFile(`${path}.json`, 'utf8').catch(() => undefined)
  if (known !== undefined) return { ...(JSON.parse(known) as Omit<Layer, 'path'>), path }
  await mkdir(dirname(path), { recursive: true })
  const partial = `${path}.${process.pid}.partial`
  try {
    const spec = await specOf(recipe, options.packages, options.signal)
    const sums = await compress(rootfs(spec), partial, options.signal)
    const layer = { ...sums, sizeBytes: (await stat(partial)).size }
    await rename(partial, path)
    await writeFile(partial, JSON.stringify(layer))
    await rename(partial, `${path}.json`)
    return { ...layer, path }
  } finally {
    await rm(partial, { force: true })
  }
}

async function specOf(
  recipe: LayerRecipe,
  packages: Packages,
  signal?: AbortSignal,
): Promise<RootfsSpec> {
  const own = await packagesOf(recipe, packages, signal)
  const skip = (path: string) => neverWanted.test(path) || (recipe.skip?.test(path) ?? false)
  const busybox = recipe.skeleton ? await busyboxFrom(own) : undefined
  return {
    skeleton: recipe.skeleton ?? false,
    usrMerged: true,
    applets: busybox,
    trees: [
      ...own.map(one => ({ path: '/', from: one.directory, skip })),
      ...(recipe.trees ?? []).map(({ path, from, skip: left }) => ({
        path,
        from,
        ...(left && { skip: (inside: string) => left.test(inside) }),
      })),
    ],
    files: [...((await recipe.derive?.(own)) ?? []), ...(recipe.files ?? [])],
    links: recipe.links,
    directories: recipe.directories,
  }
}

async function packagesOf(
  recipe: LayerRecipe,
  packages: Packages,
  signal?: AbortSignal,
): Promise<UnpackedPackage[]> {
  if (recipe.packages === undefined) return []
  const below = new Set<string>()
  for (let one = recipe.on; one !== undefined; one = one.on)
    for (const { name } of await packagesOf(one, packages, signal)) below.add(name)
  const all = await packages.closure(recipe.packages, signal)
  return all.filter(({ name }) => !below.has(name) && !recipe.omit?.test(name))
}

async function compress(
  tar: AsyncIterable<Uint8Array>,
  path: string,
  signal?: AbortSignal,
): Promise<{ digest: string; diffId: string }> {
  const plain = createHash('sha256')
  const packed = createHash('sha256')
  await pipeline(
    tar,
    tap(plain),
    createGzip({ level: 3, chunkSize: 1 << 18 }),
    tap(packed),
    createWriteStream(path),
    { ...(signal && { signal }) },
  )
  return { digest: `sha256:${packed.digest('hex')}`, diffId: `sha256:${plain.digest('hex')}` }
}

function tap(hash: ReturnType<typeof createHash>): Transform {
  return new Transform({
    transform(chunk, _encoding, done) {
      hash.update(chunk)
      done(null, chunk)
    },
  })
}

export function readLayer(layer: Layer): AsyncIterable<Uint8Array> {
  return createReadStream(layer.path)
}
