#!/usr/bin/env node
// Gathers the world and hands it over: to the short way first, CommonJS as this file, since that starts fastest. Compiled
// code is cached only in systemd's CacheDirectory=, and when only its owner may write there: it is run without a check.
const { existsSync, statSync } = require('node:fs')

async function run(argv, dir) {
  const { shortWay, systemHost } = require('../dist/short-way.cjs')
  const host = systemHost()
  const short = await shortWay(argv, host)
  if (typeof short === 'number') return short
  const cache = dir && statSync(dir, { throwIfNoEntry: false })
  if (cache && cache.uid === process.geteuid() && !(cache.mode & 0o022))
    require('node:module').enableCompileCache?.(dir)
  return (await import('../dist/main.js')).main(argv, host, short)
}

const exit = (status) => Object.assign(process, { exitCode: status })
exit(70)
if (existsSync(`${__dirname}/../dist`)) run(process.argv.slice(2), process.env.CACHE_DIRECTORY).then(exit)
else process.stderr.write("nixacme: error: the folder 'dist' is missing\nnixacme: hint: run 'npm run build'\n")
