import type { LayerRecipe } from './layer.ts'

/** What the stand-ins stand on: the C and C++ libraries, bash, busybox for every other program, and the CA bundle. */
export const base: LayerRecipe = {
  name: 'base',
  packages: ['libc6', 'libgcc-s1', 'libstdc++6', 'zlib1g', 'bash', 'busybox-static'],
  // These come as dependencies of bash for its installation, not for running it.
  omit: /^(base-files|base-passwd|debianutils|dpkg|tar|gcc-\d+-base|perl-base|cdebconf|debconf)$/,
  skip: /^(usr\/lib\/x86_64-linux-gnu\/gconv|lib\/x86_64-linux-gnu\/gconv|usr\/share\/(gcc|gdb|initramfs-tools|menu))\//,
  skeleton: true,
}
