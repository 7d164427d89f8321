#!/usr/bin/env node
// Gathers the world and hands it over: to the short way first, which is CommonJS, as is this file, since that starts fastest.
// The long way's compiled code is cached only in the CacheDirectory= that systemd gave, and only when nobody else can write
// there: cached code is run as it is, and Node's default place is under the shared /tmp.
const { existsSync, statSync } = require('node:fs')

async function run(argv, dir) {
  const { shortWay, systemHost } = require('../dist/short-way.cjs')
  const host = systemHost()
  const done = shortWay(argv, host)
  if (done !== undefined) return done
  const cache = dir && statSync(dir, { throwIfNoEntry: false })
  if (cache && cache.uid === process.geteuid() && !(cache.mode & 0o022))
    require('node:module').enableCompileCache?.(dir)
  return (await import('../dist/main.js')).main(argv, host)
}

const exit = (status) => Object.assign(process, { exitCode: status })
exit(70)
if (existsSync(`${__dirname}/../dist`)) run(process.argv.slice(2), process.env.CACHE_DIRECTORY).then(exit)
else process.stderr.write("nixacme: error: the folder 'dist' is missing\nnixacme: hint: run 'npm run build'\n")
