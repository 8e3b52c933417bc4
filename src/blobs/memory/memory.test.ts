import { appendStoreContract, blobStoreContract } from '../../../test/contract/blobs.ts'
import { createMemoryAppends } from './appends.ts'
import { createMemoryBlobs } from './blobs.ts'

blobStoreContract('memory', () => ({ store: createMemoryBlobs() }))
appendStoreContract('memory', () => createMemoryAppends())
