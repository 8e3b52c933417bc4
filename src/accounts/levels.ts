/** GitLab's numbers. */
export const accessLevels = {
  guest: 10,
  reporter: 20,
  developer: 30,
  maintainer: 40,
  owner: 50,
} as const
export type AccessLevel = (typeof accessLevels)[keyof typeof accessLevels]
